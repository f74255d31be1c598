"""The function at fault: the first that neither reports, nor catches, nor merely serves its caller."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

# Each word is a regular expression for a whole name.  What prints a crash, or catches a fault:
_REPORTING = r"""
dump_stack\w* dump_header dump_backtrace walk_stackframe show_stack show_regs show_trace print_\w+ \w*printk\w*
\w*panic\w* __warn\w* warn_\w+ report_bug report_cfi\w* handle_bug fixup_bug \w*bug_handler is_valid_bugaddr
die die_kernel_fault __die\w* die_body oops_\w+ no_context fixup_exception \w*page_fault\w* \w*kernel_fault\w*
\w*mem_abort \w*tag_check_fault\w* do_translation_fault asm_exc_\w+ exc_\w+ do_error_trap do_trap do_trap_no_signal
\w*invalid_op(?:code)? do_\w*undef\w* do_int3 do_general_protection general_protection do_divide_error divide_error
do_double_fault double_fault error_entry \w*_trap \w*brk_handler \w*debug_exception call_break_hook
el1_(?:sync|abort|dbg|undef)\w* el1h_\w+ el1t_\w+ program_check_\w+ do_program_check unwind_backtrace
save_stack\w* \w*stack_trace_\w+ arch_stack_walk
stack_depot\w* __stack_depot\w* spin_dump spin_bug rwlock_bug __schedule_bug assertfail assfail \w*assert_fail\w*
__might_sleep ___might_sleep __might_resched might_sleep\w* __might_fault might_fault rust_helper_BUG
(?:\w+::)*rust_begin_unwind core::panicking::.*
"""
# What instruments the kernel, and checks on its behalf:
_CHECKING = r"""
__asan\w* \w*kasan\w* \w*kmsan\w* __msan\w* \w*kcsan\w* \w*hwasan\w* __tsan\w* \w*kfence\w* __ubsan\w* ubsan\w*
\w*sanitize\w* should_fail\w* fail_dump check_memory_region\w* check_region_inline memory_is_\w+ read_word_at_a_time
kcov\w* __virt_addr_valid __phys_addr\w* \w*debug_object\w* debug_check_no_\w+ \w*_is_static_object __list_\w+_valid\w*
\w*lockdep\w* __lock_acquire lock_acquire\w* __lock_release lock_release\w* lock_set_class lock_downgrade
register_lock_class look_up_lock_class mark_lock\w* mark_held_locks mark_usage validate_chain check_noncircular
check_deadlock check_prevs?_add check_usage\w* check_irq_usage check_wait_context reacquire_held_locks match_held_lock
find_held_lock __lock_is_held lock_is_held\w* perf_trace\w* trace_hardirqs_\w+ trace_softirqs_\w+ preempt_count_\w+
check_preemption_disabled __fortify_\w+ usercopy_\w+ __check_object_size check_stack_object __check_heap_object
refcount_warn_saturate ref_tracker_\w+ __cfi_\w+
"""
# What locks, waits and wakes:
_LOCKING = r"""
\w*spin_lock\w* \w*spin_unlock\w* \w*spin_trylock\w* \w*spin_is_locked \w*raw_(?:read|write)_\w*lock\w*
queued_(?:read|write)_lock\w* down down_\w+ __down\w* up up_read up_write __up\w* \w*mutex_\w*lock\w*
mutex_remove_waiter mutex_optimistic_spin mutex_can_spin\w* osq_\w*lock __wake_up\w* raw_spin_rq_lock\w*
percpu_(?:down|up)_\w+ complete complete_all finish_wait \w*local_bh_enable\w* \w*local_irq_\w+ rwsem_\w+
"""
# What serves any caller: memory, strings, lists, trees, counters, users' memory, formatted output:
_SERVING = r"""
\w*mem(?:cpy|cmp|set|chr|move|scan)\w*
\w*str(?:n?cmp|n?casecmp|n?cpy|lcpy|scpy|n?len|n?str|n?chr|n?cat|lcat|sep|spn)\w* skip_spaces
\w*copy_(?:to|from|in)_(?:user|iter)\w* copy_page_(?:to|from)_iter\w* \w*copy_user\w* \w*put_user\w* \w*get_user\w*
\w*clear_user\w* __list_\w+ list_(?:add|del|replace|move|splice)\w* hlist_(?:add|del)\w* _*refcount_\w+
\w*atomic\w*_(?:add|sub|inc|dec|set|read|fetch|cmpxchg|xchg|or|and|xor|try)\w* kref_(?:get|put)\w*
iput\w* igrab ihold klist_\w+ bcmp (?:fast_)?dput (?:inc|drop|set|clear)_nlink
__?mark_(?:buffer|inode)_dirty\w* mark_buffer_dirty\w*
\w*x86_indirect_thunk\w* __indirect_thunk\w* \w*retpoline\w*
string string_nocheck pointer va_format format_decode \w*v?s[cn]*printf \w*kv?asprintf\w* hex_dump_to_buffer
_?(?:net|net_|netif_)?dev_(?:info|notice|warn|err|alert|crit|emerg|printk) __dynamic_\w+dbg
xas_\w+ xa_(?:load|find|get|store|erase)\w*
\w*rb_(?:insert|erase|next|prev|replace|link)\w* read[bwlq](?:_relaxed)? write[bwlq](?:_relaxed)?
__raw_(?:read|write)[bwlq] ioread\d+\w* iowrite\d+\w* in[bwl] out[bwl] logic_(?:in|out)[bwl] crc\d+\w* crc_\w+
\w*test_and_(?:set|clear|change)_bit\w* \w*(?:set|clear|test|change)_bit \w*skb_(?:put|push|pull)\w*
truncate_inode_pages\w* \w*invalidate_inode_pages\w* find_(?:lock|get)_entries
"""
# What gives memory out and takes it back:
_ALLOCATING = r"""
\w*k[vmzc]*alloc\w* \w*krealloc\w* \w*memdup\w* \w*kmem_cache_\w+ \w*alloc\w*_pages?\w* \w*_alloc_node\w* \w*slab_\w+
post_alloc_hook \w*page_owner\w* prep_new_page allocate_slab new_slab\w* get_partial\w* \w*kv?free(?:_\w+)?
\w*v[mz]alloc\w* vfree\w* vunmap\w* __vunmap free_pages\w* __free_pages\w* __get_free_pages get_zeroed_page
\w*get_page_from_freelist\w* free_unref_\w+ free_large_\w+ \w*folio_alloc\w* vma_alloc_\w+ filemap_alloc_folio\w*
cache_from_obj
"""
# What ends or removes a thing for its owner: the owner is at fault when the thing is gone, or does not end:
_ENDING = r"""
\w*del_timer\w* \w*timer_delete\w* __flush_work flush_work \w*cancel_\w*work\w* flush_delayed_work try_to_grab_pending
(?:__)?queue_(?:delayed_|rcu_)?work(?:_on|_node)? insert_work drain_workqueue destroy_workqueue kthread_stop\w*
\w*flush_workqueue wait_for_completion\w* kobject_\w+ add_uevent_var get_device_parent
\w*device_(?:add|del|unregister|destroy|release|remove_file|for_each_child)\w* devres_release\w* \w*sysfs_remove\w*
\w*kernfs_(?:remove|find)\w*_ns i2c_del_adapter __unregister_client hwrng_unregister unregister_netdev\w*
rollback_registered\w* usb_(?:kill|poison)_(?:anchored_)?urbs? usb_control_msg\w* usb_bulk_msg
usb_(?:hcd_)?submit_urb usb_start_wait_urb usb_interrupt_msg dummy_urb_enqueue usb_hcd_\w+urb\w*
"""


def matcher(*lists: str) -> re.Pattern[str]:
    """A pattern for the functions on these lists: regular expressions for whole names, apart by white space."""
    return re.compile("|".join(f"(?:{word})" for words in lists for word in words.split()))


_NOT_AT_FAULT = matcher(_REPORTING, _CHECKING, _LOCKING, _SERVING, _ALLOCATING, _ENDING)
_NO_MORE = re.compile(r"(?!)")


# Those that hand work to a worker, a timer, a system call, a driver: who is called from them names a hang best.
DISPATCH = matcher(r"""
do_syscall_\w+ \w*do_fast_syscall\w* sysenter_\w+ entry_\w+ system_call\w* tracesys\w* invoke_syscall el0_svc\w*
(?:x64|x32|ia32)_sys_call do_el0_svc ret_fast_syscall process_one_work process_scheduled_works worker_thread kthread
ret_from_fork\w* smpboot_thread_fn run_ksoftirqd \w*do_softirq\w* \w*softirq_handle_\w+ handle_softirqs call_timer_fn
\w*run_timers run_timer_softirq \w*run_timer_base\w* timer_expire_remote \w*netif_receive_skb\w* start_secondary
expire_timers cpu_startup_entry do_idle do_int80_\w+ el0t_\w+
(?:__)?vfs_(?:read|write|iter_read|iter_write|open|ioctl|writev|readv)
new_sync_(?:read|write) (?:ksys|do_vfs)_ioctl \w+_compat_ioctl do_iter_(?:read|write|readv_writev)
blkdev_(?:driver_)?ioctl
call_(?:read|write)_iter call_mmap mmap_region do_mmap\w* do_dentry_open
sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl)
sock_sendmsg_nosec __sock_release __sys_(?:setsockopt|listen|accept4?|connect|socketpair)
kernel_(?:setsockopt|listen|accept) sock_common_setsockopt do_sock_setsockopt sk_common_release compat_sock_ioctl
\w*netlink_rcv\w* genl_\w*rcv\w* tasklet_\w*action\w*
(?:compat_)?(?:SYSC|SyS|__sys|___sys|__do_sys|__se_sys|__x64_sys|__ia32_sys|__arm64_sys|sys)_(?:socketpair|connect|ioctl)
__do_fault \w*do_page_fault page_fault __fput task_work_run exit_to_user\w*
""")
_INTERRUPT = re.compile(
    r"(?:.*_)?(?:apic_timer_interrupt|sysvec_\w+|irq_svc|do_IRQ|common_interrupt\w*)(?:_.*)?|el1_irq|el1_interrupt|__irq_svc"
    r"|el1h_64_irq\w*|ret_from_intr"
)
_RCU = matcher(r"\w*rcu\w*")
# What a task sleeps in: whoever called it waits for something.
_SLEEPING = re.compile(
    r".*(?:sched|_lock|_slowlock|down|completion|kthread|wait|synchronize|context_switch|__switch_to|cancel_delayed_work"
    r"|rcu_barrier|_work_timer|flush_\w*work|cancel_\w*work|drain_workqueue|bit_on).*"
)
_NOT_SLEEPING = matcher(_REPORTING)
_GRACE = re.compile(r"_*synchronize_(?:s?rcu|net|sched)\w*")
_SYSTEM_CALL = re.compile(
    r"(?:__(?:x64|arm64|ia32|riscv|s390x?|powerpc)_(?:compat_)?sys_|__se_(?:compat_)?sys_|__do_(?:compat_)?sys_"
    r"|(?:compat_)?(?:SYSC|SyS|sys)_)(?P<rest>\w+)"
)


def first_at_fault(names: Iterable[str], also_skip: re.Pattern[str] | None = None) -> str | None:
    """The first function that may be at fault.

    Args:
        names: functions from the fault outwards, without the compiler's suffixes.
        also_skip: more functions (whole names) that are not at fault in this kind of crash.
    """
    return next(_at_fault(names, also_skip), None)


def _at_fault(names: Iterable[str], also_skip: re.Pattern[str] | None) -> Iterator[str]:
    skip = also_skip or _NO_MORE
    return (name for name in names if not _NOT_AT_FAULT.fullmatch(name) and not skip.fullmatch(name))


def looping(names: Sequence[str], also_skip: re.Pattern[str] | None = None) -> str | None:
    """The function that represents a loop.

    A stalled processor is caught anywhere in its loop, so its innermost function means little.  The last one
    before a dispatcher (a system call's entry, a worker, a driver's ioctl) stays the same each time.

    Args:
        names: functions from where the processor was caught, outwards.
    """
    previous = None
    for name in _at_fault(names, also_skip):
        if name.startswith("smp_call_function"):
            return name  # it waits for another processor
        if DISPATCH.fullmatch(name):
            return previous or name
        previous = name
    return None


def is_interrupt_entry(name: str) -> bool:
    """Whether a function is where an interrupt entered the kernel."""
    return _INTERRUPT.fullmatch(name) is not None


def sleeping(names: Sequence[str]) -> str | None:
    """The function that represents a hung task: what waits, apart from the means of waiting.

    Many tasks hang when a grace period does not end, or the routing lock is not given back: those two are one
    thing each, whoever waits.
    """
    for name in names:
        if name.startswith("rtnl_lock") or _GRACE.fullmatch(name):
            return name
    found = next((name for name in names if not _SLEEPING.fullmatch(name)), None)
    # A sleeping task reports nothing: such a frame is from another trace, printed into this one.
    return None if found is None or _NOT_SLEEPING.fullmatch(found) else found


def names_in_titles(name: str) -> list[str]:
    """The names that a function has in titles: system calls without their wrappers, variants under one name."""
    if _GRACE.fullmatch(name):
        return list(dict.fromkeys(("synchronize_rcu", name)))
    if name.startswith("smp_call_function"):
        return list(dict.fromkeys(("smp_call_function", name)))
    if found := _SYSTEM_CALL.fullmatch(name):
        plain = [f"sys_{found['rest']}", found["rest"]]
        return [*(plain if name.startswith("__") else reversed(plain)), name]
    return [name]


def canonical(name: str) -> str:
    """A function's name apart from wrappers of system calls and variants."""
    found = _SYSTEM_CALL.fullmatch(name)
    return found["rest"] if found else names_in_titles(name)[0]
