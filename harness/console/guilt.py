"""The function at fault: the first that neither reports, nor catches, nor merely serves its caller."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

# Each word is a regular expression for a whole name, of a family where there is one.
# What prints a crash, or catches a fault:
_REPORTING = r"""
dump_stack\w* dump_header print_\w+ \w*printk\w* \w*show_(?:stack|regs|trace)\w* \w*panic\w*
\w*(?:stackframe|stack_trace|stack_walk|save_stack|backtrace)\w* _*stack_depot\w* __warn\w* warn_\w+ report_bug
report_cfi\w* handle_bug fixup_bug \w*bug_handler is_valid_bugaddr die die_\w+ __die\w* \w*notify_die oops_\w+
no_context fixup_exception error_entry
_*(?:(?:hash_+|trace_)?do_(?:async_)?|(?:asm_)?exc_|async_|trace_|handle_|bad_)?page_fault(?:_oops)?
\w*kernel_fault\w* do_(?:tag_check|translation|alignment)_fault\w* \w*mem_abort do_sea do_bad do_serror
do_dat_exception do_protection_exception asm_exc_\w+ exc_\w+ \w*do_early_exception\w* do_error_trap
do_trap(?!_ecall)\w* \w*_trap handle_exception ret_from_exception handle_break \w*invalid_op(?:code)? do_\w*undef\w*
do_int3\w* (?:do_)?(?:general_protection|divide_error|double_fault) \w*brk_handler \w*debug_exception
call_\w*break_hook (?:do_)?el1[ht]?_\w+ program_check_\w+ do_program_check \w*pgm_check\w* spin_dump spin_bug
rwlock_bug __schedule_bug \w*ass(?:ert)?_?(?:fail|warn)\w* _*might_(?:sleep|resched|fault)\w* rust_helper_\w+
rust_begin_unwind <?(?:core|alloc|__rustc)::.*
"""
# What instruments the kernel, and checks on its behalf:
_CHECKING = r"""
\w*(?:[akmbtc]san|kfence)\w* __sanitizer\w* kcov\w* \w*check_(?:memory|region)_?\w* memory_is_\w+ read_word_at_a_time
should_fail\w* fail_dump __virt_addr_valid __phys_addr\w* \w*debug_object\w* debug_print_object debug_check_no_\w+
lookup_object_or_alloc fill_pool\w* \w*_is_static_object \w*lockdep\w*
_*lock_(?:acquire|release|set_class|downgrade|is_held)\w* check_(?:noncircular|deadlock|wait_context)
(?:register|look_up)_lock_class mark_(?:held_)?locks?(?:_\w+)? (?:find|match|reacquire)_held_locks? mark_usage
validate_chain check_(?:prevs?|irq|usage)_?\w* perf_trace\w* trace_(?:hard|soft)irqs_\w+ preempt_count_\w+
check_preemption_disabled \w*preempt_check\w* __fortify_\w+ usercopy_\w+
\w*check_(?:object_size|stack_object|heap_object) refcount_warn_saturate ref_tracker_\w+ __cfi_\w+ __fentry__ mcount
ftrace_(?:\w*caller|stub|call|regs_call|ops_\w+)
"""
# What locks, waits and wakes:
_LOCKING = r"""
\w*spin_(?:lock|unlock|trylock|is_locked)\w* \w*raw_(?:read|write)_\w*lock\w* raw_spin_rq_lock\w*
_*(?:queued|rt|local)?_*(?:read|write|spin)_(?:try|un)?lock\w* (?:rtlock|rwbase|rwsem|osq)_\w+
(?:__)?(?:down|up)(?:_\w+)? _*percpu_(?:down|up|rwsem)_\w+ \w*mutex_(?:\w*lock\w*|\w+_waiter|\w*spin\w*|handoff)
__wake_up\w* swake_up_\w+ complete complete_(?:all|with_flags) _*(?:do_)?wait_for_(?:common|completion)\w* finish_wait
\w*local_bh_enable\w* \w*local_irq_\w+
"""
# What serves any caller: memory, strings, lists, trees, counters, users' memory, formatted output:
_SERVING = r"""
\w*mem(?:cpy|cmp|set|chr|move|scan)\w* bcmp rep_(?:movs|stos)_\w+ _*copy_mc_\w+ copyin copyout\w*
_*(?:pi_+|nla_)?str(?:n?cmp|n?casecmp|n?cpy|lcpy|scpy|n?len|n?str|r?n?chr|n?cat|lcat|sep|c?spn|pbrk)\w* _*str[a-z]+
stpcpy skip_spaces match_string \w*sysfs_(?:streq|match_string) \w*kstrto\w+ simple_strto\w+ _parse_integer\w*
(?:bin2|hex2|hex_to_)(?:hex|bin) \w*copy_(?:to|from|in)_(?:user|iter)\w* copy_page_(?:to|from)_iter\w* _*copy_user\w*
_*(?:put|get)_user(?!_pages?)(?:_\w+)? \w*clear_user\w* __list_\w+ list_(?:add|del|replace|move|splice)\w*
_*hlist_(?:\w+_)?(?:add|del)\w* llist_\w+ klist_\w+ _*refcount_\w+ kref_(?:get|put)\w*
\w*atomic(?:64|_long)?_(?:add|sub|inc|dec|set|read|fetch|cmpxchg|xchg|or|and|xor|try)\w* iput\w* igrab ihold
(?:fast_)?dput (?:inc|drop|set|clear)_nlink _*mark_(?:buffer|inode)_dirty\w* \w*x86_indirect_thunk\w*
__indirect_thunk\w* \w*retpoline\w* string string_nocheck number put_dec\w* pointer va_format format_decode
widen_string hex_string mac_address_string ip[46]_(?:\w+_)?string\w* uuid_string escaped_string
bitmap_(?:list_)?string symbol_string error_string \w*v?(?:s[cn]*|kv?as)printf(?:_\w+)? v?sscanf hex_dump_to_buffer
seq_(?:v?printf|putc|puts|put_\w+|write|escape\w*)
_?(?:net|net_|netif_)?dev_(?:info|notice|warn|err|alert|crit|emerg|printk) __dynamic_\w+dbg xas_\w+
_*xa_(?:load|find|get|store|erase|alloc|insert|cmpxchg|set_mark|clear_mark|extract|destroy)\w*
(?:__)?rb_(?:insert|erase|next|prev|replace|link|first|last|rotate)\w* sort(?:_r|_nonatomic)* list_sort bsearch
(?:__raw_|logic_)?(?:read|write|in|out)s?[bwlq](?:_relaxed|_p)? ioread\d+\w* iowrite\d+\w* crc[\d_]\w*
\w*(?:test_and_)?(?:set|clear|test|change)_bit \w*test_and_\w+_bit\w* _*find_(?:first|next|last|nth)_\w*bit(?:_le)?
__bitmap_\w+ \w*skb_(?:put|push|pull)\w* k(?:un)?map_(?:atomic|local)\w* \w*(?:truncate|invalidate)_inode_pages\w*
find_(?:lock|get)_entries
"""
# What gives memory out and takes it back:
_ALLOCATING = r"""
\w*(?:[mzc]|[kv]re)alloc(?:_\w+)? \w*(?:mem|str)n?dup(?:_\w+)? \w*kmem_cache_\w+ \w*k[vz]?free(?:_\w+)?
_*(?:memcg_|do_)?slab_\w+ (?:new|allocate|discard|free)_slab\w* _{3,4}cache_\w+
cache_(?:grow_\w+|alloc_refill|flusharray) fallback_alloc kmem_(?:get|free)pages slob_\w+ vfree\w* _*vunmap\w*
\w*alloc_(?:frozen_)?pages?\w* \w*(?:folio_alloc|alloc_folio)\w* __get_free_pages get_zeroed_page\w*
(?:post|pre)_alloc_hook \w*page_owner\w* prep_(?:new|compound)_page \w*get_page_from_freelist\w* _*rmqueue\w*
_*free_(?:pages|unref|large|frozen|one_page|pcp_prepare|pcppages)\w* get_partial\w* mempool_(?:alloc|free)\w*
vma_alloc_\w+ cache_from_obj
"""
# What ends or removes a thing for its owner: the owner is at fault when the thing is gone, or does not end:
_ENDING = r"""
_*(?:try_to_)?(?:del_(?:singleshot_)?timer|timer_delete|timer_shutdown)\w* _*cancel_(?:delayed_)?work\w*
try_to_grab_pending
_*(?:queue|insert|flush|start_flush|drain|destroy|mod)_(?:delayed_|rcu_)?work(?:queue|_on|_node|_sync)?
kthread_(?:stop\w*|flush_worker|destroy_worker) kobject_\w+ add_uevent_var get_device_parent
\w*device_(?:add|del|unregister|destroy|release|remove_file|for_each_child)\w* device_(?:create|register)\w*
devres_release\w* \w*sysfs_remove\w* \w*kernfs_(?:remove|find)\w*_ns i2c_del_adapter
usb_(?:\w+_)?(?:submit|kill|poison|unlink|start_wait)_(?:anchored_)?urbs? usb_(?:control|bulk|interrupt)_msg\w*
dummy_urb_enqueue usb_hcd_\w+urb\w*
"""


def matcher(*lists: str) -> re.Pattern[str]:
    """A pattern for the functions on these lists: regular expressions for whole names, apart by white space."""
    return re.compile("|".join(f"(?:{word})" for words in lists for word in words.split()))


_NOT_AT_FAULT = matcher(_REPORTING, _CHECKING, _LOCKING, _SERVING, _ALLOCATING, _ENDING)
_SERVES = matcher(_LOCKING, _SERVING, _ALLOCATING, _ENDING)
_NO_MORE = re.compile(r"(?!)")


# Those that hand work to a worker, a timer, a system call, a driver: who is called from them names a hang best.
DISPATCH = matcher(r"""
do_syscall_\w+ \w*do_fast_syscall\w* sysenter_\w+ entry_\w+ system_call\w* tracesys\w* invoke_syscall el0_svc\w*
do_el0_svc ret_\w+_syscall do_trap_ecall_\w+ do_syscall handle_syscall process_one_work process_scheduled_works
worker_thread kthread do_one_initcall ret_from_fork\w* smpboot_thread_fn run_ksoftirqd \w*do_softirq\w*
\w*softirq_handle_\w+ handle_softirqs call_timer_fn expire_timers \w*run_timers run_timer_softirq \w*run_timer_base\w*
timer_expire_remote \w*hrtimer_run_\w+ __run_hrtimer \w*netif_receive_skb\w* start_secondary cpu_startup_entry do_idle
(?:__)?vfs_(?:read|write|iter_read|iter_write|open|ioctl|writev|readv) ksys_(?:read|write|pread64|pwrite64)
(?:x64|x32|ia32)_sys_call do_int80_\w+ el0t_\w+
new_sync_(?:read|write) (?:ksys|do_vfs)_ioctl \w+_compat_ioctl do_iter_(?:read|write|readv_writev)
blkdev_(?:driver_)?ioctl call_(?:read|write)_iter call_mmap mmap_region do_mmap\w* do_dentry_open
sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl) sock_sendmsg_nosec __sock_release
__sys_(?:setsockopt|listen|accept4?|connect|socketpair) kernel_(?:setsockopt|listen|accept) sock_common_setsockopt
do_sock_setsockopt sk_common_release compat_sock_ioctl \w*netlink_rcv\w* genl_\w*rcv\w* tasklet_\w*action\w*
(?:compat_)?(?:SYSC|SyS|__sys|___sys|__do_sys|__se_sys|__x64_sys|__ia32_sys|__arm64_sys|sys)_(?:socketpair|connect|ioctl)
__do_fault __fput task_work_run exit_to_user\w*
""")
# A task's way into the scheduler says nothing of what the scheduler itself is lost in.
_SCHEDULER = matcher(r"_*pick_next_task\w*")
_INTERRUPT = re.compile(
    r"(?:.*_)?(?:apic_timer_interrupt|sysvec_\w+|irq_svc|do_IRQ|common_interrupt\w*)(?:_.*)?|el1_irq|el1_interrupt|__irq_svc"
    r"|el1h_64_irq\w*|ret_from_intr|do_irq|do_(?:ext|io)_irq|(?:ext|io)_int_handler|(?:decrementer|timer)_\w*interrupt"
    r"|decrementer_common\w*|do_vint|handle_loongarch_irq"
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


def serves(name: str) -> bool:
    """Whether a function is never at fault because it serves any caller: it does what it was asked to do."""
    return _SERVES.fullmatch(name) is not None


def looping(names: Sequence[str], also_skip: re.Pattern[str] | None = None) -> str | None:
    """The function that represents a loop.

    A stalled processor is caught anywhere in its loop, so its innermost function means little.  The last one
    before a dispatcher (a system call's entry, a worker, a driver's ioctl) stays the same each time.

    Args:
        names: functions from where the processor was caught, outwards.
    """
    previous = None
    for name in names:
        at_fault = first_at_fault([name], also_skip) is not None
        if at_fault and name.startswith("smp_call_function"):
            return name  # it waits for another processor
        if DISPATCH.fullmatch(name) and (at_fault or previous):
            return previous or name
        if previous and _SCHEDULER.fullmatch(name):
            return previous
        previous = name if at_fault else previous
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
