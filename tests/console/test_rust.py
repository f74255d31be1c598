import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console.rust import demangle


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_RNvMs3_NtCs1234_6driver6deviceNtB5_6Device4read", "<driver::device::Device>::read"),
        (
            "_RNvXs1_NtCs1_6driver3fooNtB5_3BarNtNtCs2_4core3ops4Drop4drop",
            "<driver::foo::Bar as core::ops::Drop>::drop",
        ),
        ("_RINvCs1_6driver4readhE", "driver::read"),
        ("_RNvMCs1_6driverRSh4read", "<&[u8]>::read"),
        ("_RNCNvCs1_6driver3run0B3_", "driver::run::{closure}"),
        ("__x64_sys_read", "__x64_sys_read"),
        ("_RNvFoo", "_RNvFoo"),
        ("_R", "_R"),
    ],
)
def test_names(symbol: str, name: str) -> None:
    assert demangle(symbol) == name


@given(st.text("RNvMXYICsB_0123456789tEhFoo", max_size=60))
def test_any_text_gives_a_name(text: str) -> None:
    assert demangle(f"_R{text}")
