"""Which options a function needs."""

import pytest

from harness.console import Expectation
from harness.kernel import reach

MAKEFILES = {
    "": "obj-y += block/ drivers/\n",
    "block": "obj-y := bio.o \\\n\tblk-core.o\nobj-$(CONFIG_BLK_DEV_INTEGRITY)\t+= bio-integrity.o t10-pi.o\n",
    "drivers": "obj-$(CONFIG_MD)\t\t+= md/\nobj-y += base/\n",
    "drivers/md": (
        "dm-mod-y += dm.o dm-table.o\ndm-mod-$(CONFIG_DM_UEVENT) += dm-uevent.o\nraid456-objs := raid5.o\n"
        "obj-$(CONFIG_BLK_DEV_DM) += dm-mod.o\nobj-$(CONFIG_MD_RAID456) += raid456.o\n"
        "obj-$(CONFIG_DM_A) += both.o\nobj-$(CONFIG_DM_B) += both.o\n"
    ),
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("block/bio-integrity.c", ["BLK_DEV_INTEGRITY"]),
        ("block/blk-core.c", []),
        ("drivers/md/dm.c", ["BLK_DEV_DM", "MD"]),
        ("drivers/md/dm-uevent.c", ["DM_UEVENT", "BLK_DEV_DM", "MD"]),
        ("drivers/md/raid5.c", ["MD_RAID456", "MD"]),
        # Either of two options adds it: neither is needed.
        ("drivers/md/both.c", ["MD"]),
        ("drivers/md/none.c", ["MD"]),
    ],
)
def test_what_a_file_needs(path: str, wanted: list[str]) -> None:
    assert reach.options(path, lambda folder: MAKEFILES.get(folder, "")) == wanted


@pytest.mark.parametrize(
    ("expected", "wanted"),
    [
        (Expectation(title="BUG: unable to handle kernel NULL pointer dereference in bio_integrity_process",
                     workqueue="bio_integrity_verify_fn"), ["bio_integrity_process", "bio_integrity_verify_fn"]),
        (Expectation(signature="null-deref:dm_read<crypt_endio"), ["dm_read", "crypt_endio"]),
        (Expectation(title="KASAN: use-after-free Read in dm_*"), []),
        (Expectation(title="WARNING in kfree"), []),
        (Expectation(any=True), []),
    ],
)  # fmt: skip
def test_which_functions_a_crash_names(expected: Expectation, wanted: list[str]) -> None:
    assert reach.functions(expected) == wanted
