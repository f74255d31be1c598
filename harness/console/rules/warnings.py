"""WARN(), by what warned; and the words BUG, WARNING and INFO with any other text."""

from __future__ import annotations

from harness.console.rules.rule import FUNCTION, Blame, rule

_AT = r"WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:at )?(?:\[.*\] )?"
_START = r"^(?:[^\w<]*|.*\[ cut here \]-* *)"

RULES = (
    rule(
        "unwinder",
        r"WARNING: kernel stack regs at .* has bad '(?P<what>\w+)' value",
        "WARNING: kernel stack regs has bad '{what}' value",
        "WARNING: kernel stack regs at ffff8801d100fea8 in dd:71 has bad 'bp' value ffff8801d100ff28\n",
        "WARNING: kernel stack regs has bad 'bp' value",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "unwinder",
        r"WARNING: kernel stack frame pointer .* has bad value",
        "WARNING: kernel stack frame pointer has bad value",
        "WARNING: kernel stack frame pointer at ffff8801d100fea8 in dd:71 has bad value ffff8801d100ff28\n",
        "WARNING: kernel stack frame pointer has bad value",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "odebug",
        r"WARNING: .*lib/debugobjects\.c.* debug_",
        "WARNING: ODEBUG bug in {f}",
        """\
WARNING: CPU: 0 PID: 71 at lib/debugobjects.c:329 debug_print_object+0x16a/0x210
RIP: 0010:debug_print_object+0x16a/0x210
Call Trace:
 debug_check_no_obj_freed+0x2db/0x400
 kfree+0xd9/0x260
 device_free+0x71/0x80
""",
        "WARNING: ODEBUG bug in device_free",
        skip=r"\w*rcu\w* \w*timer_\w+ \w*work_\w+ \w*percpu_\w+ __free_\w+",
        fatal=False,
    ),
    rule(
        "kobject",
        r"WARNING: .*lib/kobject\.c.* kobject_",
        "WARNING: kobject bug in {f}",
        """\
WARNING: CPU: 0 PID: 71 at lib/kobject.c:708 kobject_put+0x12/0x20
RIP: 0010:kobject_put+0x12/0x20
Call Trace:
 queue_register+0x71/0x80
""",
        "WARNING: kobject bug in queue_register",
        fatal=False,
    ),
    rule(
        "proc-register",
        r"WARNING: .*fs/proc/generic\.c.* proc_register",
        "WARNING: proc registration bug in {f}",
        """\
WARNING: CPU: 1 PID: 71 at fs/proc/generic.c:330 proc_register+0x2a4/0x370
RIP: 0010:proc_register+0x2a4/0x370
Call Trace:
 proc_create_data+0xbb/0xe0
 target_check+0x71/0x80
""",
        "WARNING: proc registration bug in target_check",
        skip=r"proc_\w+ \w+_proc_\w+",
        fatal=False,
    ),
    rule(
        "refcount",
        r"WARNING: .*lib/refcount\.c.* refcount_",
        "WARNING: refcount bug in {f}",
        """\
WARNING: CPU: 1 PID: 71 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110
refcount_t: underflow; use-after-free.
RIP: 0010:refcount_warn_saturate+0xba/0x110
Call Trace:
 wfree_it+0x71/0x80
""",
        "WARNING: refcount bug in wfree_it",
        fatal=False,
    ),
    rule(
        "zero-vmalloc",
        rf"{_AT}mm/vmalloc\.c.* __vmalloc",
        "WARNING: zero-size vmalloc in {f}",
        """\
WARNING: CPU: 1 PID: 71 at mm/vmalloc.c:2873 __vmalloc_node_range+0x769/0x970
RIP: 0010:__vmalloc_node_range+0x769/0x970
Call Trace:
 vmalloc+0x67/0x80
 demux_init+0x71/0x80
""",
        "WARNING: zero-size vmalloc in demux_init",
        fatal=False,
    ),
    rule(
        "kmalloc",
        rf"{_AT}mm/.*\.c.* (?:__)?k.?malloc\w*",
        "WARNING: kmalloc bug in {f}",
        """\
WARNING: CPU: 1 PID: 71 at mm/util.c:403 kvmalloc_node+0xc3/0xd0
RIP: 0010:kvmalloc_node+0xc3/0xd0
Call Trace:
 map_update+0x71/0x80
""",
        "WARNING: kmalloc bug in map_update",
        fatal=False,
    ),
    rule(
        "warning",
        rf"{_AT}.* usb_submit_urb",
        "WARNING in {f}/usb_submit_urb",
        """\
WARNING: CPU: 1 PID: 71 at drivers/usb/core/urb.c:478 usb_submit_urb+0x1188/0x1460
RIP: 0010:usb_submit_urb+0x1188/0x1460
Call Trace:
 receive_urb+0x71/0x80
""",
        "WARNING in receive_urb/usb_submit_urb",
        fatal=False,
    ),
    rule(
        "warning",
        rf"WARNING: (?:\[.*\] )?\S+\.\w+:\d+ at (?:{FUNCTION})?",
        "WARNING in {f}",
        """\
WARNING: block/bio.c:12 at bio_drop+0x10/0x20, CPU#0: dd/71
CPU: 0 UID: 0 PID: 71 Comm: dd Not tainted 6.19.0 #1 PREEMPT(full)
RIP: 0010:bio_drop+0x10/0x20
Call Trace:
 bio_done+0x71/0x80
""",
        "WARNING in bio_drop",
        fatal=False,
    ),
    rule(
        "warning",
        rf"(?:WARNING: (?:CPU: .*? )?|Badness )at \S+ (?:{FUNCTION})?|(?:WARNING: .*\b|Badness )at \S+\.[chS]:\d+",
        "WARNING in {f}",
        """\
WARNING: CPU: 0 PID: 71 at block/bio.c:12 bio_drop+0x10/0x20
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.0 #1
RIP: 0010:bio_drop+0x10/0x20
Call Trace:
 bio_done+0x71/0x80
""",
        "WARNING in bio_drop",
        fatal=False,
    ),
    rule(
        "dentry",
        r"BUG: Dentry .* still in use \(-?\d+\) \[(?P<what>unmount of [^]]+)\]",
        "BUG: Dentry still in use in unmount",
        "BUG: Dentry 00000000c4ed7f8d{i=71,n=x}  still in use (1) [unmount of ramfs ramfs]\n",
        "BUG: Dentry still in use in unmount",
        also=("BUG: Dentry still in use [{what}]",),
        blame=Blame.NONE,
    ),
    rule(
        "busy-inodes",
        r"VFS: (?P<what>Busy inodes after unmount|Close: file count is (?:0|zero))",
        "VFS: {what} (use-after-free)",
        "VFS: Busy inodes after unmount of loop0 (ext4)\n",
        "VFS: Busy inodes after unmount (use-after-free)",
        blame=Blame.NONE,
    ),
    rule(
        "irq",
        r"irq \d+: nobody cared",
        "irq: nobody cared in {f}",
        """\
irq 26: nobody cared (try booting with the "irqpoll" option)
Call Trace:
 <IRQ>
 dump_stack+0x71/0xab
 __report_bad_irq+0x35/0xa7
 note_interrupt+0x205/0x240
 handle_irq_event+0x7a/0x80
""",
        "irq: nobody cared in handle_irq_event",
        fatal=False,
    ),
    rule("bug", r"(?:^|[^A-Za-z_])BUG:\s*$", "BUG: corrupted", "BUG:\n", "BUG: corrupted", blame=Blame.NONE, cut=True),
    rule(
        "bug",
        r"(?:^|[^A-Za-z_])BUG: (?P<rest>.*)",
        "BUG: {rest}",
        "sound card: BUG: position 71 of 64\n",
        "BUG: position NUM of NUM",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "warning",
        rf"{_START}WARNING:\s*$",
        "WARNING: corrupted",
        "WARNING:\n",
        "WARNING: corrupted",
        blame=Blame.NONE,
        cut=True,
        fatal=False,
    ),
    rule(
        "warning",
        rf"{_START}WARNING: (?P<rest>.*)",
        "WARNING: {rest}",
        "WARNING: driver support is incomplete\n",
        "WARNING: driver support is incomplete",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "info",
        rf"{_START}INFO:\s*$",
        "INFO: corrupted",
        "INFO:\n",
        "INFO: corrupted",
        blame=Blame.NONE,
        cut=True,
        fatal=False,
    ),
    rule(
        "info",
        rf"{_START}INFO: (?P<rest>.*)",
        "INFO: {rest}",
        "INFO: something of note\n",
        "INFO: something of note",
        blame=Blame.NONE,
        fatal=False,
    ),
)
