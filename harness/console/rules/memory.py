"""Accesses that the hardware refused, and memory that was lost or broken."""

from __future__ import annotations

from harness.console.rules.rule import Blame, rule

_ACCESS = ("bad-access in {f}",)
_NULL = "BUG: unable to handle kernel NULL pointer dereference in {f}"
_PAGE = "BUG: unable to handle kernel paging request in {f}"
_GETS_MEMORY = r"\w*alloc\w* \w*mmap\w* _*(?:idr|ida|radix_tree|pcpu)_\w+ list_lru_init\w*"

RULES = (
    rule(
        "null-deref",
        r"(?:BUG: (?:unable|Unable) to handle kernel|BUG: [Kk]ernel) NULL pointer dereference",
        _NULL,
        """\
BUG: unable to handle kernel NULL pointer dereference at   (null)
IP:   (null)
Oops: 0010 [#1] SMP
CPU: 0 PID: 4 Comm: kworker/0:0H Not tainted 4.13.9 #1
EIP:   (null)
Call Trace:
 ? read_done+0xd4/0x128
 ? worker_thread+0x11b/0x137
""",
        "BUG: unable to handle kernel NULL pointer dereference in read_done",
        also=_ACCESS,
    ),
    rule(
        "null-deref",
        r"Unable to handle kernel NULL pointer dereference",
        _NULL,
        """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000004
Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
pc : port_stop+0x60/0x524
lr : port_close+0x1c/0x20
Call trace:
 port_stop+0x60/0x524
 port_close+0x1c/0x20
""",
        "BUG: unable to handle kernel NULL pointer dereference in port_stop",
        also=_ACCESS,
    ),
    rule(
        "null-deref",
        r"Unable to handle kernel pointer dereference (?:in|at) virtual kernel address",
        _NULL,
        """\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 0000000000000000 TEID: 0000000000000483
Fault in home space mode while using kernel ASCE.
Oops: 0004 ilc:2 [#1] SMP
Krnl PSW : 0704c00180000000 00000000001123f2 (queue_drop+0x2a/0x60)
           R:0 T:1 IO:0 EX:0 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3
Krnl GPRS: 0000000000000001 0000000000000000 0000000000000020 00000000001123e0
Call Trace:
 [<00000000001123f2>] queue_drop+0x2a/0x60
([<00000000001123e0>] queue_drop+0x18/0x60)
 [<0000000000112466>] queue_all+0x36/0x70
Last Breaking-Event-Address:
 [<0000000000112440>] queue_all+0x10/0x70
""",
        "BUG: unable to handle kernel NULL pointer dereference in queue_drop",
        also=_ACCESS,
        body=r"(?:Failing address:|at virtual kernel address) 0{12}",
    ),
    rule(
        # s390 maps page 0, so that a call of null finds zeros, which are no instruction.
        "null-deref",
        r"\billegal operation: 0001 .*\[#\d+\]",
        _NULL,
        """\
illegal operation: 0001 ilc:1 [#1] SMP
CPU: 1 PID: 45 Comm: kworker/1:1H Not tainted 6.1.0 #1
Krnl PSW : 0704e00180000000 0000000000000002 (0x2)
Call Trace:
 [<0000000000000002>] 0x2
 [<0000000000259310>] queue_work_fn+0x58/0x78
Last Breaking-Event-Address:
 [<00000000002590a0>] queue_drop+0x168/0x1e0
""",
        "BUG: unable to handle kernel NULL pointer dereference in queue_drop",
        also=_ACCESS,
        body=r"Krnl PSW : [0-9a-f]{16} 0{15}[012] \(0x[012]\)",
    ),
    rule(
        "paging",
        r"Unable to handle kernel pointer dereference (?:in|at) virtual kernel address",
        _PAGE,
        """\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 6b6b6b6b6b6b6000 TEID: 6b6b6b6b6b6b6803
Oops: 0038 ilc:2 [#1] SMP
Krnl PSW : 0704c00180000000 00000000001123f2 (queue_drop+0x2a/0x60)
Call Trace:
 [<00000000001123f2>] queue_drop+0x2a/0x60
""",
        "BUG: unable to handle kernel paging request in queue_drop",
        also=_ACCESS,
    ),
    rule(
        # MIPS, loongarch, and powerpc of 2.6 call any address so.
        "null-deref",
        r"Unable to handle kernel paging request (?:at virtual|for data at) address (?:0x)?0{5,13}[0-9a-f]{3}\b",
        _NULL,
        """\
CPU 0 Unable to handle kernel paging request at virtual address 00000018, epc == 80123456, ra == 80123600
Oops[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc   : ffffffff80123456 queue_drop+0x17/0x40
ra    : ffffffff80123600 queue_all+0x20/0x30
Call Trace:
[<ffffffff80123456>] queue_drop+0x17/0x40
""",
        "BUG: unable to handle kernel NULL pointer dereference in queue_drop",
        also=_ACCESS,
    ),
    rule(
        # parisc
        "paging",
        r"(?:Kernel Fault|Page fault: [\w ]{3,30}): Code=\d+ \(",
        _PAGE,
        """\
Kernel Fault: Code=26 (Data memory access rights trap) at addr 6b6b6b6b
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
 IAOQ[0]: queue_drop+0x17/0x40
 IAOQ[1]: queue_drop+0x1b/0x40
 RP(r2): queue_all+0x20/0x30
Backtrace:
 [<105c6408>] queue_all+0x20/0x30
""",
        "BUG: unable to handle kernel paging request in queue_drop",
        also=_ACCESS,
    ),
    rule(
        "paging",
        r"BUG: (?:unable to handle kernel paging request|unable to handle page fault for address"
        r"|Unable to handle (?:kernel (?:data access|instruction fetch|unaligned access)|unknown paging fault))",
        _PAGE,
        """\
BUG: unable to handle page fault for address: ffffed1021400000
#PF: supervisor read access in kernel mode
Oops: 0000 [#1] PREEMPT SMP KASAN
RIP: 0010:memset_erms+0x9/0x10
Call Trace:
 sound_write+0x2a/0x40
""",
        "BUG: unable to handle kernel paging request in sound_write",
        also=_ACCESS,
    ),
    rule(
        "paging",
        r"Unable to handle kernel (?!NULL|access to user|pointer )[a-z][a-z -]* (?:at|for|in) ",
        _PAGE,
        """\
Unable to handle kernel paging request at virtual address 0c0c9ca0
pgd = c0004000
Internal error: Oops: 5 [#1] PREEMPT
PC is at queue_map+0x70/0x2c0
LR is at queue_issue+0x2c/0xa4
Backtrace:
[<c0017510>] (queue_map+0x0/0x2c0) from [<c025a42c>] (queue_issue+0x2c/0xa4)
""",
        "BUG: unable to handle kernel paging request in queue_map",
        also=_ACCESS,
    ),
    rule(
        "user-access",
        r"[Uu]nable to handle kernel access to user memory",
        "BUG: unable to handle kernel access to user memory in {f}",
        """\
Unable to handle kernel access to user memory without uaccess routines at virtual address 00000000deadbeef
Oops [#1]
epc : task_tail+0x72/0xb2 ra : task_tail+0x70/0xb2
[<ffffffe00008c8b0>] task_tail+0x72/0xb2
[<ffffffe000005570>] ret_from_exception+0x0/0x14
""",
        "BUG: unable to handle kernel access to user memory in task_tail",
        also=_ACCESS,
        trace=False,
    ),
    rule(
        "paging",
        r"BUG: [Uu]nable to handle kernel(?: access)?\s*$",
        "BUG: unable to handle kernel",
        "BUG: unable to handle kernel\n",
        "BUG: unable to handle kernel",
        blame=Blame.NONE,
        cut=True,
    ),
    rule(
        "leak",
        r"BUG: memory leak",
        "memory leak in {f}",
        """\
BUG: memory leak
unreferenced object 0xffff8880b3b5a2c0 (size 192):
  comm "sh", pid 71, jiffies 4294943071 (age 12.230s)
  backtrace:
    [<00000000a26c7e6e>] kmem_cache_alloc+0x12a/0x270
    [<000000008c6f0a52>] node_new+0x36/0x70
    [<00000000b1f8fe11>] node_create+0x52/0xf0
""",
        "memory leak in node_new",
        since=r"backtrace",
        skip=_GETS_MEMORY,
        fatal=False,
    ),
    rule(
        "page-state",
        r"BUG: Bad page state",
        "BUG: Bad page state in {f}",
        """\
BUG: Bad page state in process dd  pfn:11ca9c
page:ffffea0004472700 count:0 mapcount:0 mapping:0000000000000000 index:0x1
page last allocated via order 0, migratetype Unmovable, gfp_mask 0x40c40(GFP_NOFS|__GFP_COMP), pid 71
 post_alloc_hook+0x1f3/0x230
 get_page_from_freelist+0x2e4c/0x2f10
 __alloc_pages+0x256/0x6c0
 metapage_get+0x2b4/0x1050
Call Trace:
 dump_stack+0x71/0xab
 bad_page+0xab/0x100
""",
        "BUG: Bad page state in metapage_get",
        also=("BUG: Bad page state",),
        since=r"^page (?:last )?allocated via",  # without page_owner, the trace of who frees it
        skip=r"\w*page_(?:pool|frag)_\w+ \w*filemap_get_folio\w* \w*pagecache_get_page\w*"
        r" \w*grab_cache_\w+ bad_page\w* \w*free_\w*page\w*",
        fatal=False,
    ),
    rule(
        "page-cache",
        r"BUG: Bad page cache (?P<rest>.*)",
        "BUG: Bad page cache",
        "BUG: Bad page cache in process dd  pfn:11ca9c\n",
        "BUG: Bad page cache",
        also=("BUG: Bad page cache {rest}",),
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "page-map",
        r"BUG: Bad page map",
        "BUG: Bad page map",
        "BUG: Bad page map in process dd  pte:ffff8880 pmd:1f5f067\n",
        "BUG: Bad page map",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "page-tables",
        r"BUG: (?P<what>non-zero \w+ on freeing mm)",
        "BUG: {what}",
        "BUG: non-zero nr_ptes on freeing mm: 1\n",
        "BUG: non-zero nr_ptes on freeing mm",
        also=("BUG: {what}: NUM",),
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "rss-counter",
        r"BUG: Bad rss-counter state",
        "BUG: Bad rss-counter state",
        "BUG: Bad rss-counter state mm:ffff88005fac4300 idx:0 val:15\n",
        "BUG: Bad rss-counter state",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "usercopy",
        r"kernel BUG at mm/usercopy\.c",
        "BUG: bad usercopy in {f}",
        """\
kernel BUG at mm/usercopy.c:102!
RIP: 0010:usercopy_abort+0x74/0x76
Call Trace:
 __check_object_size+0x26a/0x2b0
 copy_out+0x32/0x70
""",
        "BUG: bad usercopy in copy_out",
    ),
    rule(
        "usercopy",
        r"WARNING: .*mm/usercopy\.c",
        "WARNING: bad usercopy in {f}",
        """\
WARNING: CPU: 1 PID: 71 at mm/usercopy.c:81 usercopy_warn+0xdb/0x100
RIP: 0010:usercopy_warn+0xdb/0x100
Call Trace:
 __check_object_size+0x26a/0x2b0
 message_put+0x32/0x70
""",
        "WARNING: bad usercopy in message_put",
        fatal=False,
    ),
    rule(
        "list-corruption",
        r"kernel BUG at lib/list_debug\.c",
        "BUG: corrupted list in {f}",
        """\
list_del corruption. prev->next should be ffff888011a0b0f8, but was 0000000000000000
kernel BUG at lib/list_debug.c:53!
RIP: 0010:__list_del_entry_valid.cold+0x31/0x4c
Call Trace:
 queue_drop+0x32/0x70
""",
        "BUG: corrupted list in queue_drop",
    ),
    rule(
        "slub",
        r"BUG (?:kmalloc-|[\w:.()-]+ \().*: Object already free",
        "BUG: Object already free",
        """\
BUG kmalloc-64 (Not tainted): Object already free
INFO: Allocated in buffer_get+0x31/0x70 age=12 cpu=0 pid=71
""",
        "BUG: Object already free",
        blame=Blame.NONE,
    ),
    rule(
        "slub",
        r"BUG [\w:.()-]+ \((?:Not tainted|Tainted: [\w ]*?)\s*\): (?!kasan:)(?P<rest>[A-Z][\w' ]+)",
        "BUG: slab: {rest}",
        """\
BUG kmalloc-64 (Not tainted): Right Redzone overwritten
INFO: Allocated in buffer_get+0x31/0x70 age=12 cpu=0 pid=71
""",
        "BUG: slab: Right Redzone overwritten",
        blame=Blame.NONE,
    ),
    rule(
        "slub",
        r"WARNING: .*\bmm/slub\.c:\d+(?:.* (?:__slab_err|object_err)|\s*$)",
        "WARNING: slab bug",
        """\
WARNING: CPU: 0 PID: 71 at mm/slub.c:1152 __slab_err+0x18/0x1c
Call Trace:
 slab_pad_check+0xd2/0xfb
""",
        "WARNING: slab bug",
        blame=Blame.NONE,
        cut=True,
        joins=True,
    ),
    rule(
        "slub",
        r"INFO: (?P<what>Freed|Allocated) in (?P<rest>.*)",
        "INFO: {what} in {rest}",
        "INFO: Freed in buffer_put+0x14/0x20 age=7 cpu=0 pid=71\n",
        "INFO: Freed in buffer_put age=NUM cpu=NUM pid=NUM",
        blame=Blame.NONE,
        cut=True,
        joins=True,
    ),
    rule(
        "page-allocation",
        r"\S+: page allocation failure[:.]",
        "page allocation failure in {f}",
        """\
dd: page allocation failure: order:8, mode:0x240c0c0(GFP_KERNEL|__GFP_COMP)
Call Trace:
 dump_stack+0x71/0xab
 warn_alloc_failed+0x1b1/0x270
 __alloc_pages_nodemask+0x9ca/0xb30
 buffer_get+0x31/0x70
""",
        "page allocation failure in buffer_get",
        fatal=False,
    ),
)
