"""Accesses that the hardware or a sanitizer refused, and memory that was lost or broken."""

from __future__ import annotations

from harness.console.rules.rule import FUNCTION, Blame, rule

_ACCESS = ("bad-access in {f}",)
_FREE = ("invalid-free in {f}",)
_NULL = "BUG: unable to handle kernel NULL pointer dereference in {f}"
_PAGE = "BUG: unable to handle kernel paging request in {f}"
_SIZE = r"\b(?P<access>Read|Write) (?:of size \d|at addr)"
_GETS_MEMORY = r"\w*kmem\w* \w*slab\w* \w*alloc\w* create_object \w*mmap\w* idr_get\w* list_lru_init\w* \w*str(?:n)?dup\w*"

RULES = (
    rule("kasan", rf"BUG: KASAN: (?:double-free or invalid-free|(?P<type>double-free|invalid-free)) in (?:{FUNCTION})?",
         "KASAN: invalid-free in {f}", """\
BUG: KASAN: double-free or invalid-free in table_release+0x2c/0x40
CPU: 0 PID: 71 Comm: nft Not tainted 4.19.0 #1
Call Trace:
 dump_stack+0x71/0xab
 kasan_report_invalid_free+0x50/0x80
 kfree+0x8e/0x190
 table_release+0x2c/0x40
 table_put+0x11/0x20
""", "KASAN: invalid-free in table_release", also=("KASAN: {type} in {f}", "invalid-free in {f}")),
    rule("kasan", rf"BUG: KASAN: (?P<type>[a-z-]+) in (?:{FUNCTION})?", "KASAN: {type} {access} in {f}", """\
BUG: KASAN: use-after-free in __list_del_entry_valid+0x84/0x90
Read of size 8 at addr ffff88801b94ce60 by task umount/71
CPU: 0 PID: 71 Comm: umount Not tainted 6.1.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x34/0x44
 print_report+0x171/0x472
 kasan_report+0xad/0x130
 __list_del_entry_valid+0x84/0x90
 inode_forget+0x30/0x60
 evict+0x1b4/0x350
""", "KASAN: use-after-free Read in inode_forget", also=_ACCESS, body=_SIZE),
    rule("kasan", r"BUG: KASAN: (?P<type>[a-z-]+) on address", "KASAN: {type} {access}", """\
BUG: KASAN: null-ptr-deref on address           (null)
Read of size 4 by task dd/71
""", "KASAN: null-ptr-deref Read", body=_SIZE, blame=Blame.NONE, cut=True),
    rule("kasan", r"BUG: KASAN: (?P<rest>.*)", "KASAN: {rest}", "BUG: KASAN: use-after-free in f+0x50/0x60 at addr ffff88000012c43a\n",
         "KASAN: use-after-free in f at addr ADDR", blame=Blame.NONE, cut=True),
    rule("kmsan", rf"BUG: KMSAN: (?P<type>[a-z-]+) in (?:{FUNCTION})?", "KMSAN: {type} in {f}", """\
BUG: KMSAN: uninit-value in frame_send+0x8b3/0x1c50
 frame_send+0x8b3/0x1c50
 frame_ioctl+0x34/0x60
""", "KMSAN: uninit-value in frame_send", also=_ACCESS,
         skip=r"crypto_\w+ \w*aes\w* (?:xts|cbc|ecb|ctr|gcm|cts|essiv)_\w+ \w*skcipher\w* \w*csum_partial\w* \w*shash\w*"
         r" usb_submit_urb usb_start_wait_urb usb_bulk_msg usb_interrupt_msg usb_control_msg"),
    rule("kcsan", r"BUG: KCSAN: data-race in (?P<one>[\w.]+) / (?P<two>[\w.]+)", "KCSAN: data-race in {one} / {two}", """\
BUG: KCSAN: data-race in generic_permission / inode_refresh
write to 0xffff9c9a01f1d218 of 2 bytes by task 71 on cpu 1:
 inode_refresh+0x80/0x110
read to 0xffff9c9a01f1d218 of 2 bytes by task 72 on cpu 0:
 generic_permission+0x2a/0x220
""", "KCSAN: data-race in generic_permission / inode_refresh", also=("KCSAN: data-race in {two} / {one}",),
         blame=Blame.NONE, fatal=False),
    rule("kcsan", r"BUG: KCSAN: (?P<type>assert: race|data-race) in (?P<f>\w+)", "KCSAN: {type} in {f}",
         "BUG: KCSAN: assert: race in rq_update+0x11/0x20\n", "KCSAN: assert: race in rq_update", blame=Blame.NAMED,
         trace=False, fatal=False),
    rule("kcsan", r"BUG: KCSAN: (?P<rest>.*)", "KCSAN: {rest}", "BUG: KCSAN: racing access\n", "KCSAN: racing access",
         blame=Blame.NONE, fatal=False),
    rule("kfence", rf"BUG: KFENCE: (?P<type>invalid free) in (?:{FUNCTION})?", "KFENCE: {type} in {f}", """\
BUG: KFENCE: invalid free in buffer_put+0x20/0x30
Invalid free of 0x00000000a8ea7a22:
 buffer_put+0x20/0x30
""", "KFENCE: invalid free in buffer_put", also=_FREE, fatal=False),
    rule("kfence", rf"BUG: KFENCE: (?P<type>memory corruption) in (?:{FUNCTION})?", "KFENCE: {type} in {f}", """\
BUG: KFENCE: memory corruption in buffer_put+0x20/0x30
Corrupted memory at 0x00000000a8ea7a22 [ ! . ] (in kfence-#71):
 buffer_put+0x20/0x30
""", "KFENCE: memory corruption in buffer_put", fatal=False),
    rule("kfence", rf"BUG: KFENCE: (?P<type>[a-z -]+?) in (?:{FUNCTION})?", "KFENCE: {type} in {f}", """\
BUG: KFENCE: use-after-free read in probe_find+0x51/0x90
Use-after-free read at 0x00000000a8ea7a22 (in kfence-#71):
 probe_find+0x51/0x90
""", "KFENCE: use-after-free read in probe_find", also=_ACCESS, fatal=False),
    rule("ubsan", r"UBSAN: Undefined behaviour in", "UBSAN: undefined-behaviour in {f}", """\
UBSAN: Undefined behaviour in fs/x.c:71:7
shift exponent 64 is too large for 32-bit type 'int'
Call Trace:
 dump_stack+0x71/0xab
 ubsan_epilogue+0x9/0x4e
 __ubsan_handle_shift_out_of_bounds+0x1a5/0x1f0
 x_fill_super+0x60/0x90
""", "UBSAN: undefined-behaviour in x_fill_super", skip=r"handle_overflow", fatal=False),
    rule("ubsan", r"UBSAN: (?P<type>array-index-out-of-bounds) in", "UBSAN: {type} in {f}", """\
UBSAN: array-index-out-of-bounds in fs/x.c:71:7
index 4 is out of range for type 'int [4]'
Call Trace:
 __ubsan_handle_out_of_bounds+0x60/0x80
 x_lookup+0x60/0x90
""", "UBSAN: array-index-out-of-bounds in x_lookup", also=_ACCESS, fatal=False),
    rule("ubsan", r"UBSAN: (?P<type>[a-z-]+) in", "UBSAN: {type} in {f}", """\
UBSAN: shift-out-of-bounds in fs/x.c:71:7
Call Trace:
 __ubsan_handle_shift_out_of_bounds+0x60/0x80
 x_shift+0x60/0x90
""", "UBSAN: shift-out-of-bounds in x_shift", skip=r"handle_overflow", fatal=False),
    rule("null-deref", r"(?:BUG: (?:unable|Unable) to handle kernel|BUG: [Kk]ernel) NULL pointer dereference", _NULL, """\
BUG: unable to handle kernel NULL pointer dereference at   (null)
IP:   (null)
Oops: 0010 [#1] SMP
CPU: 0 PID: 4 Comm: kworker/0:0H Not tainted 4.13.9 #1
EIP:   (null)
Call Trace:
 ? read_done+0xd4/0x128
 ? worker_thread+0x11b/0x137
""", "BUG: unable to handle kernel NULL pointer dereference in read_done", also=_ACCESS),
    rule("null-deref", r"Unable to handle kernel NULL pointer dereference", _NULL, """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000004
Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
pc : port_stop+0x60/0x524
lr : port_close+0x1c/0x20
Call trace:
 port_stop+0x60/0x524
 port_close+0x1c/0x20
""", "BUG: unable to handle kernel NULL pointer dereference in port_stop", also=_ACCESS),
    rule("paging", r"BUG: (?:unable to handle kernel paging request|unable to handle page fault for address"
         r"|Unable to handle kernel (?:data access|instruction fetch))", _PAGE, """\
BUG: unable to handle page fault for address: ffffed1021400000
#PF: supervisor read access in kernel mode
Oops: 0000 [#1] PREEMPT SMP KASAN
RIP: 0010:memset_erms+0x9/0x10
Call Trace:
 sound_write+0x2a/0x40
""", "BUG: unable to handle kernel paging request in sound_write", also=_ACCESS),
    rule("paging", r"Unable to handle kernel (?:paging request|write to read-only memory|read from unreadable memory"
         r"|execute (?:of userspace|from non-execut\w+) memory|unknown paging request)", _PAGE, """\
Unable to handle kernel paging request at virtual address 0c0c9ca0
pgd = c0004000
Internal error: Oops: 5 [#1] PREEMPT
PC is at queue_map+0x70/0x2c0
LR is at queue_issue+0x2c/0xa4
Backtrace:
[<c0017510>] (queue_map+0x0/0x2c0) from [<c025a42c>] (queue_issue+0x2c/0xa4)
""", "BUG: unable to handle kernel paging request in queue_map", also=_ACCESS),
    rule("user-access", r"[Uu]nable to handle kernel access to user memory",
         "BUG: unable to handle kernel access to user memory in {f}", """\
Unable to handle kernel access to user memory without uaccess routines at virtual address 00000000deadbeef
Oops [#1]
epc : task_tail+0x72/0xb2 ra : task_tail+0x70/0xb2
[<ffffffe00008c8b0>] task_tail+0x72/0xb2
[<ffffffe000005570>] ret_from_exception+0x0/0x14
""", "BUG: unable to handle kernel access to user memory in task_tail", also=_ACCESS, trace=False),
    rule("paging", r"BUG: [Uu]nable to handle kernel(?: access)?\s*$", "BUG: unable to handle kernel", "BUG: unable to handle kernel\n",
         "BUG: unable to handle kernel", blame=Blame.NONE, cut=True),
    rule("leak", r"BUG: memory leak", "memory leak in {f}", """\
BUG: memory leak
unreferenced object 0xffff8880b3b5a2c0 (size 192):
  comm "sh", pid 71, jiffies 4294943071 (age 12.230s)
  backtrace:
    [<00000000a26c7e6e>] kmem_cache_alloc+0x12a/0x270
    [<000000008c6f0a52>] node_new+0x36/0x70
    [<00000000b1f8fe11>] node_create+0x52/0xf0
""", "memory leak in node_new", since=r"backtrace", skip=_GETS_MEMORY, fatal=False),
    rule("page-state", r"BUG: Bad page state", "BUG: Bad page state in {f}", """\
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
""", "BUG: Bad page state in metapage_get", also=("BUG: Bad page state",), since=r"^page (?:last )?allocated via",
         skip=r"\w*page_pool_alloc\w* \w*filemap_get_folio\w* \w*pagecache_get_page\w* __folio_alloc\w* \w*page_alloc\w*", fatal=False),
    rule("page-map", r"BUG: Bad page map", "BUG: Bad page map", "BUG: Bad page map in process dd  pte:ffff8880 pmd:1f5f067\n",
         "BUG: Bad page map", blame=Blame.NONE, fatal=False),
    rule("page-tables", r"BUG: (?P<what>non-zero \w+ on freeing mm)", "BUG: {what}", "BUG: non-zero nr_ptes on freeing mm: 1\n",
         "BUG: non-zero nr_ptes on freeing mm", also=("BUG: {what}: NUM",), blame=Blame.NONE, fatal=False),
    rule("rss-counter", r"BUG: Bad rss-counter state", "BUG: Bad rss-counter state",
         "BUG: Bad rss-counter state mm:ffff88005fac4300 idx:0 val:15\n", "BUG: Bad rss-counter state", blame=Blame.NONE, fatal=False),
    rule("usercopy", r"kernel BUG at mm/usercopy\.c", "BUG: bad usercopy in {f}", """\
kernel BUG at mm/usercopy.c:102!
RIP: 0010:usercopy_abort+0x74/0x76
Call Trace:
 __check_object_size+0x26a/0x2b0
 copy_out+0x32/0x70
""", "BUG: bad usercopy in copy_out"),
    rule("usercopy", r"WARNING: .*mm/usercopy\.c", "WARNING: bad usercopy in {f}", """\
WARNING: CPU: 1 PID: 71 at mm/usercopy.c:81 usercopy_warn+0xdb/0x100
RIP: 0010:usercopy_warn+0xdb/0x100
Call Trace:
 __check_object_size+0x26a/0x2b0
 message_put+0x32/0x70
""", "WARNING: bad usercopy in message_put", fatal=False),
    rule("list-corruption", r"kernel BUG at lib/list_debug\.c", "BUG: corrupted list in {f}", """\
list_del corruption. prev->next should be ffff888011a0b0f8, but was 0000000000000000
kernel BUG at lib/list_debug.c:53!
RIP: 0010:__list_del_entry_valid.cold+0x31/0x4c
Call Trace:
 queue_drop+0x32/0x70
""", "BUG: corrupted list in queue_drop"),
    rule("slub", r"BUG (?:kmalloc-|\w+ \().*: Object already free", "BUG: Object already free", """\
BUG kmalloc-64 (Not tainted): Object already free
INFO: Allocated in buffer_get+0x31/0x70 age=12 cpu=0 pid=71
""", "BUG: Object already free", blame=Blame.NONE),
    rule("slub", r"BUG [\w:.-]+ \((?:Not tainted|Tainted: [\w ]*?)\s*\): (?!kasan:)(?P<rest>[A-Z][\w' ]+)", "BUG: slab: {rest}", """\
BUG kmalloc-64 (Not tainted): Right Redzone overwritten
INFO: Allocated in buffer_get+0x31/0x70 age=12 cpu=0 pid=71
""", "BUG: slab: Right Redzone overwritten", blame=Blame.NONE),
    rule("slub", r"INFO: (?P<what>Freed|Allocated) in (?P<rest>.*)", "INFO: {what} in {rest}",
         "INFO: Freed in buffer_put+0x14/0x20 age=7 cpu=0 pid=71\n", "INFO: Freed in buffer_put age=NUM cpu=NUM pid=NUM",
         blame=Blame.NONE, cut=True, joins=True),
    rule("page-allocation", r"\S+: page allocation failure[:.]", "page allocation failure in {f}", """\
dd: page allocation failure: order:8, mode:0x240c0c0(GFP_KERNEL|__GFP_COMP)
Call Trace:
 dump_stack+0x71/0xab
 warn_alloc_failed+0x1b1/0x270
 __alloc_pages_nodemask+0x9ca/0xb30
 buffer_get+0x31/0x70
""", "page allocation failure in buffer_get", fatal=False),
)  # fmt: skip
