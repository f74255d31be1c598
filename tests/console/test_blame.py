"""Which functions are never at fault: families of the kernel's helpers, and drivers' functions that sound like them."""

import re
import shutil
from pathlib import Path

import pytest

from harness.console import find_crashes
from harness.console.blame import CERTAIN, first_at_fault, looping, other_names, sleeping
from harness.console.places import NAMED, common, helpers
from tests.console.places import Table, add

HELPERS = """\
reports: dump_stack_lvl show_regs __warn warn_slowpath_fmt report_bug die_kernel_fault arm64_notify_die
asserts: assertfail assfail asswarn
traps: asm_exc_invalid_op do_trap_break do_page_fault exc_page_fault __do_kernel_fault do_mem_abort el1h_64_sync
    do_el1_undef call_el1_break_hook handle_exception __do_pgm_check
sanitizers: __asan_report_load8_noabort kasan_check_range __hwasan_tag_mismatch __msan_warning __tsan_read8
    __kcsan_check_access __ubsan_handle_out_of_bounds kfence_report_error __sanitizer_cov_trace_pc
lockdep: lock_acquire __lock_acquire register_lock_class mark_lock_irq check_prevs_add validate_chain
locks: _raw_spin_lock_irqsave do_raw_spin_trylock native_queued_spin_lock_slowpath rt_spin_lock rt_write_unlock
    rtlock_slowlock rwbase_write_lock mutex_lock_nested __mutex_add_waiter down_read up_write osq_lock
    queued_read_lock_slowpath rwsem_down_write_slowpath percpu_down_write
memory: memcpy_orig __pi_memset memcmp rep_movs_alternative copy_mc_fragile _copy_to_iter copy_user_generic_string
    __get_user_nocheck_8 put_user_ifreq
strings: strnlen __pi_strcmp strrchr nla_strscpy vsnprintf kvasprintf_const kstrtouint put_dec hex_string
lists and trees: __list_del_entry_valid_or_report list_add_tail rb_erase rb_first xas_find __xa_alloc
    llist_add_batch
bits: test_and_set_bit _find_next_zero_bit __bitmap_weight arch_atomic_fetch_add_relaxed _atomic_dec_and_lock
memory's owners: __kmalloc_cache_noprof kvzalloc vmalloc_user krealloc kmemdup_noprof kstrndup memdup_user_nul kfree
    kmem_cache_free ___slab_alloc allocate_slab ____cache_alloc_node alloc_pages_mpol __alloc_frozen_pages_noprof
    rmqueue_bulk free_unref_page folio_alloc_noprof mempool_alloc_noprof
ends: del_timer_sync timer_shutdown_sync cancel_delayed_work_sync __flush_work drain_workqueue kthread_stop_put
    device_unregister devres_release_all usb_kill_anchored_urbs usb_control_msg_send
rust: rust_helper_BUG core::panicking::panic_fmt <core::option::Option<T>>::unwrap __rustc::rust_begin_unwind
"""
CULPRITS = """\
queue_drop kvm_mmu_page_fault nonpaging_page_fault register_posix_clock drm_atomic_helper_set_config
hfsplus_strcasecmp gfs2_cancel_delete_work dm_wait_for_completion drm_gem_shmem_vunmap evmcs_sanitize_exec_ctrls
bio_copy_user_iov __get_user_pages ext4_groupinfo_create_slab remove_wait_queue unregister_netdevice_many_notify
queue_work_fn radix_tree_node_alloc ida_free rhashtable_insert_slow
"""


@pytest.mark.parametrize("family", re.split(r"\n(?! )", HELPERS.strip()), ids=lambda family: family.partition(":")[0])
def test_no_helper_is_at_fault(family: str) -> None:
    for name in family.partition(":")[2].split():
        assert first_at_fault([name, "queue_drop"]) == "queue_drop", name


@pytest.mark.parametrize("name", CULPRITS.split())
def test_what_only_sounds_like_a_helper_is(name: str) -> None:
    assert first_at_fault([name]) == name


@pytest.mark.parametrize(
    "outwards",
    [
        "vfs_write ksys_write __x64_sys_write do_syscall_64",
        "do_trap_ecall_u ret_from_exception",
        "invoke_syscall el0_svc_common",
        "process_one_work worker_thread",
        "call_timer_fn __run_timers",
        "do_one_initcall kernel_init_freeable",
        "system_call_exception system_call_common",
    ],
)
def test_a_loop_is_named_by_who_was_called_from_a_dispatcher(outwards: str) -> None:
    assert looping(["_raw_spin_lock", "queue_step", "queue_all", *outwards.split()])[0] == "queue_all"


@pytest.mark.parametrize(
    ("outwards", "found", "others"),
    [
        ("xa_find queue_drop", "queue_drop", ["xa_find"]),  # at times it is at fault
        ("filemap_read queue_drop", "filemap_read", ["queue_drop"]),  # common code: at times its caller is
        ("filemap_read vfs_read", "filemap_read", []),  # where the kernel was entered is none
        ("x_read_lock queue_drop", "queue_drop", ["x_read_lock"]),
        ("x_list_add_it queue_drop", "x_list_add_it", ["queue_drop"]),  # it only sounds like a helper
        ("queue_drop queue_all", "queue_drop", []),
    ],
)
def test_other_names_that_a_crash_may_go_by(outwards: str, found: str, others: list[str]) -> None:
    names = outwards.split()
    assert first_at_fault(names) == found
    assert other_names(names, found) == others


def test_a_stall_goes_by_its_system_call_too() -> None:
    names = ["queue_step", "queue_write", "vfs_write", "ksys_write", "__x64_sys_write", "do_syscall_64"]
    assert looping(names) == ["queue_write", "sys_write"]


@pytest.mark.parametrize(
    ("outwards", "found"),
    [
        ("__schedule schedule __mutex_lock unregister_netdev queue_remove", ["queue_remove", "unregister_netdev"]),
        ("__schedule schedule usb_kill_urb usb_start_wait_urb queue_read", ["queue_read", "usb_kill_urb"]),
        ("__schedule schedule folio_wait_bit __filemap_get_folio queue_flush", ["queue_flush"]),
        ("__schedule schedule __synchronize_srcu queue_flush", ["__synchronize_srcu"]),
    ],
)
def test_what_a_task_waits_in(outwards: str, found: list[str]) -> None:
    assert sleeping(outwards.split()) == found


def test_the_tables_hold_nothing_that_patterns_of_names_have() -> None:
    assert not [name for name in helpers() | common() if CERTAIN.fullmatch(name)]
    assert not helpers() & common()
    assert not helpers() & NAMED
    assert {"vsnprintf", "mutex_lock"} & helpers() == set()
    assert "ip6_addr_string" in helpers()
    assert "usb_get_descriptor" in common()


def test_the_files_that_a_report_names_tell_helpers_of_other_versions() -> None:
    trace = "Call Trace:\n kasan_report+0x1/0x2 mm/kasan/report.c:7\n {}+0x1/0x2 {}:8\n queue_drop+0x1/0x2 a.c:9\n"
    head = "BUG: KASAN: invalid-free in {}+0x1/0x2 {}:8\n"
    log = (head + trace).format(*("poison_it", "mm/kasan/common.c") * 2)
    assert find_crashes(log.encode())[0].function == "queue_drop"
    log = (head + trace).format(*("poison_it", "drivers/x/common.c") * 2)
    assert find_crashes(log.encode())[0].function == "poison_it"


@pytest.mark.skipif(not shutil.which("ctags"), reason="the tables are made with universal-ctags")
def test_a_table_has_what_all_kernels_agree_on(tmp_path: Path) -> None:
    kernels = {
        "5.10": {"lib/string.c": "old_one both_have moves stays_", "drivers/x/x.c": "driven"},
        "7.2": {"lib/string.c": "both_have new_one stays_", "drivers/x/x.c": "moves", "mm/util.c": "util_one"},
    }
    helpers, common = Table(), Table()
    for version, found in kernels.items():
        for file, names in found.items():
            (tmp_path / version / file).parent.mkdir(parents=True)
            (tmp_path / version / file).write_text("".join(f"int {name}(void)\n{{\n}}\n" for name in names.split()))
        add(tmp_path / version, helpers, common)
    head, *lines = helpers.lines("5.10, 7.2")
    assert "5.10, 7.2" in head
    assert lines == ["# lib", "both_have new_one old_one stays_", "# mm", "util_one"]
