"""The function at fault: the first that neither reports, nor catches, nor merely serves its caller."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import takewhile

from harness.console.places import common, helpers

# Each word is a regular expression for a whole name, of a family where there is one.  The lists have what the table
# `helpers.txt` lacks: functions that macros or assembly make, those of other versions than the table's, and those
# whose neighbours may be at fault.
# What prints a crash, or catches a fault:
_REPORTING = r"""
dump_(?:stack|header)\w* print_\w*(?:bug|report|stall|description|trailer|info|lock|events|regs)\w* \w*printk\w*
\w*show_(?:stack|regs|trace)\w* \w*panic\w* \w*(?:stackframe|stack_(?:trace|walk|depot)|save_stack|backtrace)\w*
_*warn(?:_\w+)? (?:report|handle|fixup|spin|rwlock|__schedule)_bug _*die(?:_\w+)? \w*notify_die error_entry
_*(?:(?:hash_+|trace_)?do_(?:async_)?|(?:asm_)?exc_|async_|trace_|handle_|bad_)?page_fault(?:_oops)? \w*mem_abort
(?:asm_)?exc_\w+ \w*do_early_exception\w* \w*_trap (?:handle|ret_from)_exception \w*invalid_op(?:code)?
(?:do_)?(?:general_protection|divide_error|double_fault) \w*brk_handler \w*debug_exception call_\w*break_hook
(?:do_)?el1[ht]?_\w+ program_check_\w+ \w*pgm_check\w* \w*ass(?:ert)?_?(?:fail|warn)\w*
_*might_(?:sleep|resched|fault)\w* rust_(?:helper_\w+|begin_unwind) <?(?:core|alloc|__rustc)::.*
"""
# What instruments the kernel, and checks on its behalf:
_CHECKING = r"""
_*k?(?:hw)?(?:[acmt]|ub)san_\w+ __sanitizer\w* \w*check_(?:memory|region)_?\w* read_word_at_a_time should_fail\w*
__virt_addr_valid __phys_addr\w* \w*_is_static_object \w*lockdep\w* _*lock_(?:acquire|release)\w* perf_trace\w*
trace_(?:hard|soft)irqs_\w+ preempt_count_\w+ usercopy_\w+ __cfi_\w+
ftrace_(?:\w*caller|stub|call|regs_call|ops_\w+)
"""
# What locks, waits and wakes:
_LOCKING = r"""
\w*spin_(?:lock|unlock|trylock|is_locked|rq_lock)\w* rwsem_\w+ (?:__)?(?:down|up)(?:_\w+)?
\w*mutex_(?:\w*lock\w*|\w+_waiter|\w*spin\w*) __wake_up\w* swake_up_\w+ finish_wait \w*local_bh_enable\w*
\w*local_irq_\w+
"""
# What serves any caller: memory, strings, lists, trees, counters, users' memory, formatted output:
_SERVING = r"""
(?:arch_|raw_|_*ll_sc_|_*lse_)*atomic(?:64|_long)?_(?:add|sub|inc|dec|set|read|fetch|cmpxchg|xchg|or|and|xor|try)\w*
(?:__raw_|logic_)?(?:read|write|in|out)s?[bwlq](?:_relaxed|_p)? \w*mem(?:cpy|cmp|set|chr|move|scan)\w* copyin
copyout\w* (?:__pi_+|nla_)str\w+ xas_\w+ \w*copy_(?:to|from|in)_(?:user|iter)\w* copy_page_to_iter\w* _*copy_user\w*
_*(?:put|get)_user(?!_pages?)(?:_\w+)? __list_\w+ list_(?:add|del|replace|move|splice)\w*
_*(?:try_to_)?del_(?:singleshot_)?timer\w* try_to_grab_pending _*refcount_\w+ \w*x86_indirect_thunk\w*
\w*v?(?:s[cn]*|kv?as)printf(?:_\w+)? seq_(?:v?printf|putc|puts|put_\w+|write|escape\w*)
_?(?:net|net_|netif_)?dev_(?:info|notice|warn|err|alert|crit|emerg) (?:__)?rb_(?:insert|erase|next)\w* crc[\d_]\w*
_*find_(?:first|next|last|nth)_\w*bit(?:_le)? bsearch
"""
# What gives memory out and takes it back:
_ALLOCATING = r"""
\w*(?:[mzc]|[kv]re)alloc(?:_\w+)? \w*(?:mem|str)n?dup(?:_\w+)? \w*kmem_cache_\w+ \w*k[vz]?free(?:_\w+)?
_*(?:memcg_|do_)?slab_\w+ vfree\w* _*vunmap\w* \w*alloc_(?:frozen_)?pages?\w* \w*(?:folio_alloc|alloc_folio)\w*
vma_alloc_\w+ __get_free_pages get_zeroed_page\w* (?:post|pre)_alloc_hook prep_(?:new|compound)_page
\w*get_page_from_freelist\w* _*rmqueue\w* _*free_(?:pages|unref|large|frozen|one_page|pcp_prepare|pcppages)\w*
"""
# Those that serve as well, and are yet named in some titles.  What ends or removes a thing for its owner (the owner is
# at fault when the thing is gone, or does not end); what counts references and caches pages for a file system:
_DOUBTFUL = r"""
_*timer_(?:delete|shutdown)\w* _*cancel_(?:delayed_)?work\w* unregister_netdev \w*(?:read|write)_(?:un)?lock
kthread_(?:stop\w*|flush_worker|destroy_worker) get_device_parent
_*(?:queue|insert|flush|start_flush|drain|destroy|mod)_(?:delayed_|rcu_)?work(?:queue|_on|_node|_sync)?
\w*device_(?:add|del|unregister|destroy|release|remove_file|for_each_child)\w* device_(?:create|register)\w*
devres_release\w* \w*sysfs_remove\w* \w*kernfs_(?:remove|find)\w*_ns i2c_del_adapter
usb_(?:\w+_)?(?:submit|kill|poison|unlink|start_wait)_(?:anchored_)?urbs? usb_(?:control|bulk|interrupt)_msg\w*
kobject_\w+ dummy_urb_enqueue usb_hcd_\w+urb\w* iput\w* igrab ihold (?:fast_)?dput (?:inc|drop|set|clear)_nlink
_*mark_(?:buffer|inode)_dirty\w* \w*(?:truncate|invalidate)_inode_pages\w* find_(?:lock|get)_entries _*xa_\w+
__xas_nomem mempool_(?:alloc|free)\w* \w*skb_(?:put|push|pull)\w* k(?:un)?map_(?:atomic|local)\w*
"""


def matcher(*lists: str) -> re.Pattern[str]:
    """A pattern for the functions on these lists: regular expressions for whole names, apart by white space."""
    return re.compile("|".join(f"(?:{word})" for words in lists for word in words.split()))


# syzkaller knows no files: a part of a name tells it a helper, wherever that is.  These are parts that other names than
# those of the lists have; what is called a helper there and not here, or the other way round, goes by both names.
_PARTS = re.compile(
    r"(?:read|write|spin|mutex)_(?:try|un)?lock|lock_(?:acquire|release|class)|down|up_(?:read|write)|wake_up|rcu_|lockdep"
    r"|panic|_trap|k(?:as|ms|cs)an|sanitizer|[kv][mz]?alloc|alloc_page|kmem_|slab_(?:alloc|free)|kfree|vfree"
    r"|refcount|string|pointer|mem(?:cpy|cmp|set|move)|str(?:n?cmp|[nl]?cpy|scpy|n?len|casecmp|chr)"
    r"|list_(?:add|del|move|replace|splice)|(?:copy_(?:to|from)|put|get)_user|print[fk]"
    r"|(?:queue|flush|cancel|drain|destroy)_(?:delayed_)?work|sysfs_remove"
)

# Common code by macros, and of other versions than the table's:
_COMMON = matcher(r"""
full_proxy_\w+ kernfs_fop_\w+ __vfs_(?:read|write) compat_(?:read|write)v (?:get|put|lock|unlock)_page
__(?:put|lock|set)_page\w* rollback_registered\w* ida_simple_\w+ rhashtable_(?:lookup|insert|remove)\w* list_lru_\w+
""")

CERTAIN = matcher(_REPORTING, _CHECKING, _LOCKING, _SERVING, _ALLOCATING)
"""Functions that are never at fault, by their names."""
_DOUBT = matcher(_DOUBTFUL)
_NAMES = matcher(_REPORTING, _CHECKING, _LOCKING, _SERVING, _ALLOCATING, _DOUBTFUL)
_REPORTS = matcher(_REPORTING, _CHECKING)
_NO_MORE = re.compile(r"(?!)")


# Those that hand work to a worker, a timer, a system call, a driver: who is called from them names a hang best.
DISPATCH = matcher(r"""
do_syscall_\w+ \w*do_fast_syscall\w* sysenter_\w+ entry_\w+ system_call\w* tracesys\w* invoke_syscall el0_svc\w*
do_el0_svc ret_\w+_syscall do_trap_ecall_\w+ _*do_syscall handle_syscall process_one_work process_scheduled_works
worker_thread kthread(?:_worker_fn)? do_one_initcall \w*ret_from_fork\w* smpboot_thread_fn run_ksoftirqd
\w*do_softirq\w* \w*softirq_handle_\w+ handle_softirqs call_timer_fn expire_timers \w*run_timers run_timer_softirq
\w*run_timer_base\w* timer_expire_remote \w*hrtimer_run_\w+ __run_hrtimer \w*netif_receive_skb\w* start_secondary
cpu_startup_entry do_idle (?:__)?vfs_(?:read|write|iter_read|iter_write|open|ioctl|writev|readv)
ksys_(?:read|write|pread64|pwrite64) (?:x64|x32|ia32)_sys_call do_int80_\w+ el0t_\w+ new_sync_(?:read|write)
(?:ksys|do_vfs)_ioctl \w+_compat_ioctl do_iter_(?:read|write|readv_writev) blkdev_(?:driver_)?ioctl
call_(?:read|write)_iter call_mmap _*mmap_region do_mmap\w* do_dentry_open
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
    r"|rcu_barrier|_work_timer|flush_\w*work|cancel_\w*work|drain_workqueue|bit_on|filemap_get_folio).*"
)
_REPORT = matcher(_REPORTING)
_GRACE = re.compile(r"_*synchronize_(?:s?rcu|net|sched)\w*")
_SYSTEM_CALL = re.compile(
    r"(?:__(?:x64|arm64|ia32|riscv|s390x?|powerpc)_(?:compat_)?sys_|__se_(?:compat_)?sys_|__do_(?:compat_)?sys_"
    r"|(?:compat_)?(?:SYSC|SyS|(?:__)?sys)_)(?P<rest>\w+)"
)

_ENTRY = re.compile(r"(?:__(?:x64|arm64|ia32|se|do)_(?:compat_)?sys|SyS|SYSC)_\w+")


@lru_cache(4096)
def serves(name: str) -> bool:
    """Whether a function is hardly ever at fault: it reports or checks, or does what its caller asked it to do."""
    plain = name.removesuffix("_noprof")  # memory allocation profiling: the function behind a macro of the old name
    return plain in helpers() or CERTAIN.fullmatch(plain) is not None or _DOUBT.fullmatch(plain) is not None


def points(name: str) -> bool:
    """Whether a function of a trace tells where to look: it neither serves others nor hands out work."""
    return not serves(name) and not DISPATCH.fullmatch(name)


def reports(name: str) -> bool:
    """Whether a function reports or checks: it is never what somebody looks for."""
    return _REPORTS.fullmatch(name) is not None


def first_at_fault(names: Iterable[str], also_skip: re.Pattern[str] | None = None) -> str | None:
    """The first function that may be at fault.

    Args:
        names: functions from the fault outwards, without the compiler's suffixes.
        also_skip: more functions (whole names) that are not at fault in this kind of crash.
    """
    skip = also_skip or _NO_MORE
    return next((name for name in names if not serves(name) and not skip.fullmatch(name)), None)


def other_names(names: Sequence[str], found: str, also_skip: re.Pattern[str] | None = None) -> list[str]:
    """Other functions that a crash may go by in place of the one found to be at fault.

    They are the first that is at least sometimes at fault; the first outside of common code; and the first that is
    no helper by a part of its name (where a driver calls its function `x_read_lock`, some go by its caller), of those
    that may be at fault and, apart from where they live, of all.

    Args:
        names, also_skip: as of `first_at_fault`.
    """
    skip = also_skip or _NO_MORE
    kept = [name for name in names if not skip.fullmatch(name)]
    usual = [name for name in kept if not serves(name)]
    doubtful = next((name for name in kept if not serves(name) or _DOUBT.fullmatch(name)), None)
    outside = _outside(usual)
    usual_part = next((name for name in usual if not _PARTS.search(name)), None)
    by_name = next((name for name in kept if not _sounds(name)), None)
    return [name for name in dict.fromkeys((doubtful, outside, usual_part, by_name)) if name not in (None, found)]


@lru_cache(4096)
def _sounds(name: str) -> bool:
    """Whether a function is a helper by its name alone, wherever it lives."""
    return _PARTS.search(name) is not None or _NAMES.fullmatch(name) is not None


def _outside(names: Sequence[str]) -> str | None:
    """The first function outside of common code, up to where the kernel was entered."""
    inner = takewhile(lambda name: not (DISPATCH.fullmatch(name) or _SYSTEM_CALL.fullmatch(name)), names)
    return next((name for name in inner if not is_common(name)), None)


def is_common(name: str) -> bool:
    """Whether a function is of common code, so that at times its caller is at fault."""
    plain = name.removesuffix("_noprof")
    return plain in common() or _COMMON.fullmatch(plain) is not None


def looping(names: Sequence[str], also_skip: re.Pattern[str] | None = None) -> list[str]:
    """The function that represents a loop, and others that it may go by.

    A stalled processor is caught anywhere in its loop, so its innermost function means little.  The last one
    before a dispatcher (a system call's entry, a worker, a driver's ioctl) stays the same each time.

    Args:
        names: functions from where the processor was caught, outwards.

    Returns:
        The function, the one just before the dispatcher, helper or not, the dispatcher itself where that does work
        of its own, and the system call; [] where there is no dispatcher.
    """
    skip = also_skip or _NO_MORE
    previous = nearest = None
    for name in names:
        at_fault = first_at_fault([name], also_skip) is not None
        if at_fault and name.startswith("smp_call_function"):
            return [name]  # it waits for another processor
        if DISPATCH.fullmatch(name) and (at_fault or previous):
            itself = [name] if name == "handle_softirqs" else []
            calls = [names_in_titles(name)[0] for name in names if _ENTRY.fullmatch(name)][-1:]
            return list(dict.fromkeys((previous or name, nearest or name, *itself, *calls)))
        if previous and _SCHEDULER.fullmatch(name):
            return [previous]
        previous = name if at_fault else previous
        if not skip.fullmatch(name) and (not reports(name) or name.startswith("asm_exc_")):
            nearest = name  # a fault in user space is an entry like a system call
    return []


def is_interrupt_entry(name: str) -> bool:
    """Whether a function is where an interrupt entered the kernel."""
    return _INTERRUPT.fullmatch(name) is not None


def sleeping(names: Sequence[str]) -> list[str]:
    """The function that represents a hung task (what waits, apart from the means of waiting), and others it may go by.

    Many tasks hang when a grace period does not end, or the routing lock is not given back: those two are one
    thing each, whoever waits.
    """
    for name in names:
        if name.startswith("rtnl_lock") or _GRACE.fullmatch(name):
            return [name]
    waiting = [name for name in names if not _SLEEPING.fullmatch(name)]
    found = next((name for name in waiting if not serves(name) or reports(name)), None)
    # A sleeping task reports nothing: such a frame is from another trace, printed into this one.
    if found is None or _REPORT.fullmatch(found):
        return []
    outside = _outside([name for name in waiting if not serves(name)])
    others = (*(name for name in waiting[:1] if not reports(name)), outside)
    return list(dict.fromkeys((found, *(name for name in others if name))))


def names_in_titles(name: str) -> list[str]:
    """The names that a function has in titles: system calls without their wrappers, variants under one name."""
    if _GRACE.fullmatch(name):
        return list(dict.fromkeys(("synchronize_rcu", name)))
    if name.startswith("smp_call_function"):
        return list(dict.fromkeys(("smp_call_function", name)))
    if found := _SYSTEM_CALL.fullmatch(name):
        if name.startswith("__sys_"):
            return [name, found["rest"]]
        plain = [f"sys_{found['rest']}", found["rest"]]
        return [*(plain if name.startswith("__") else reversed(plain)), name]
    return [name]


def canonical(name: str) -> str:
    """A function's name apart from wrappers of system calls and variants."""
    found = _SYSTEM_CALL.fullmatch(name)
    return found["rest"] if found else names_in_titles(name)[0]
