"""What the sanitizers report: KASAN, KMSAN, KCSAN, KFENCE, UBSAN."""

from __future__ import annotations

from harness.console.rules.rule import FUNCTION, Blame, rule

_ACCESS = ("bad-access in {f}",)
_FREE = ("invalid-free in {f}",)
_SIZE = r"\b(?P<access>Read|Write) (?:of size \d|at addr)"

RULES = (
    rule(
        "kasan",
        rf"BUG: KASAN: (?:double-free or invalid-free|(?P<type>double-free|invalid-free)) in (?:{FUNCTION})?",
        "KASAN: invalid-free in {f}",
        """\
BUG: KASAN: double-free or invalid-free in table_release+0x2c/0x40
CPU: 0 PID: 71 Comm: nft Not tainted 4.19.0 #1
Call Trace:
 dump_stack+0x71/0xab
 kasan_report_invalid_free+0x50/0x80
 kfree+0x8e/0x190
 table_release+0x2c/0x40
 table_put+0x11/0x20
""",
        "KASAN: invalid-free in table_release",
        also=("KASAN: {type} in {f}", "invalid-free in {f}"),
    ),
    rule(
        "kasan",
        rf"BUG: KASAN: (?P<type>[a-z-]+) in (?:{FUNCTION})?",
        "KASAN: {type} {access} in {f}",
        """\
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
""",
        "KASAN: use-after-free Read in inode_forget",
        also=_ACCESS,
        body=_SIZE,
    ),
    rule(
        "kasan",
        r"BUG: KASAN: (?P<type>[a-z-]+) on address",
        "KASAN: {type} {access}",
        """\
BUG: KASAN: null-ptr-deref on address           (null)
Read of size 4 by task dd/71
""",
        "KASAN: null-ptr-deref Read",
        body=_SIZE,
        blame=Blame.NONE,
        cut=True,
    ),
    rule(
        "kasan",
        r"BUG: KASAN: (?P<rest>.*)",
        "KASAN: {rest}",
        "BUG: KASAN: use-after-free in f+0x50/0x60 at addr ffff88000012c43a\n",
        "KASAN: use-after-free in f at addr ADDR",
        blame=Blame.NONE,
        cut=True,
    ),
    rule(
        "kmsan",
        rf"BUG: KMSAN: (?P<type>[a-z-]+) in (?:{FUNCTION})?",
        "KMSAN: {type} in {f}",
        """\
BUG: KMSAN: uninit-value in frame_send+0x8b3/0x1c50
 frame_send+0x8b3/0x1c50
 frame_ioctl+0x34/0x60
""",
        "KMSAN: uninit-value in frame_send",
        also=_ACCESS,
        # Ciphers, hashes and checksums pass on what they are given.
        skip=r"(?:crypto|xts|[ecp]*cbc|ecb|ctr|[gc]cm|cts|lrw|essiv|adiantum|hctr2|hmac|ghash|gf128mul|poly1305|chacha"
        r"|sha\d+|md[45]|sm[34]|blake2[bs]|des3?|camellia|twofish|serpent|cast[56]|blowfish)_\w+"
        r" \w*(?:aes|skcipher|shash|ahash|csum_partial)\w*",
    ),
    rule(
        "kcsan",
        r"BUG: KCSAN: (?P<type>[a-z -]+|assert: race) in (?P<one>\w+)(?:\.[\w.]+)? / (?P<two>\w+)",
        "KCSAN: {type} in {one} / {two}",
        """\
BUG: KCSAN: data-race in generic_permission.part.0 / inode_refresh
write to 0xffff9c9a01f1d218 of 2 bytes by task 71 on cpu 1:
 inode_refresh+0x80/0x110
read to 0xffff9c9a01f1d218 of 2 bytes by task 72 on cpu 0:
 generic_permission+0x2a/0x220
""",
        "KCSAN: data-race in generic_permission / inode_refresh",
        also=("KCSAN: {type} in {two} / {one}",),
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "kcsan",
        r"BUG: KCSAN: (?P<type>assert: race|data-race) in (?P<f>\w+)",
        "KCSAN: {type} in {f}",
        "BUG: KCSAN: assert: race in rq_update+0x11/0x20\n",
        "KCSAN: assert: race in rq_update",
        blame=Blame.NAMED,
        trace=False,
        fatal=False,
    ),
    rule(
        "kcsan",
        r"BUG: KCSAN: (?P<rest>.*)",
        "KCSAN: {rest}",
        "BUG: KCSAN: racing access\n",
        "KCSAN: racing access",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "kfence",
        rf"BUG: KFENCE: (?P<type>invalid free) in (?:{FUNCTION})?",
        "KFENCE: {type} in {f}",
        """\
BUG: KFENCE: invalid free in buffer_put+0x20/0x30
Invalid free of 0x00000000a8ea7a22:
 buffer_put+0x20/0x30
""",
        "KFENCE: invalid free in buffer_put",
        also=_FREE,
        fatal=False,
    ),
    rule(
        "kfence",
        rf"BUG: KFENCE: (?P<type>memory corruption) in (?:{FUNCTION})?",
        "KFENCE: {type} in {f}",
        """\
BUG: KFENCE: memory corruption in buffer_put+0x20/0x30
Corrupted memory at 0x00000000a8ea7a22 [ ! . ] (in kfence-#71):
 buffer_put+0x20/0x30
""",
        "KFENCE: memory corruption in buffer_put",
        fatal=False,
    ),
    rule(
        "kfence",
        rf"BUG: KFENCE: (?P<type>[a-z -]+?) in (?:{FUNCTION})?",
        "KFENCE: {type} in {f}",
        """\
BUG: KFENCE: use-after-free read in probe_find+0x51/0x90
Use-after-free read at 0x00000000a8ea7a22 (in kfence-#71):
 probe_find+0x51/0x90
""",
        "KFENCE: use-after-free read in probe_find",
        also=_ACCESS,
        fatal=False,
    ),
    rule(
        "ubsan",
        r"UBSAN: Undefined behaviour in",
        "UBSAN: undefined-behaviour in {f}",
        """\
UBSAN: Undefined behaviour in fs/x.c:71:7
shift exponent 64 is too large for 32-bit type 'int'
Call Trace:
 dump_stack+0x71/0xab
 ubsan_epilogue+0x9/0x4e
 __ubsan_handle_shift_out_of_bounds+0x1a5/0x1f0
 x_fill_super+0x60/0x90
""",
        "UBSAN: undefined-behaviour in x_fill_super",
        fatal=False,
    ),
    rule(
        "ubsan",
        r"UBSAN: (?P<type>array-index-out-of-bounds) in",
        "UBSAN: {type} in {f}",
        """\
UBSAN: array-index-out-of-bounds in fs/x.c:71:7
index 4 is out of range for type 'int [4]'
Call Trace:
 __ubsan_handle_out_of_bounds+0x60/0x80
 x_lookup+0x60/0x90
""",
        "UBSAN: array-index-out-of-bounds in x_lookup",
        also=_ACCESS,
        fatal=False,
    ),
    rule(
        "ubsan",
        r"UBSAN: (?P<type>[a-z-]+(?= in\b)|[a-z][a-z /]+(?= at ))",
        "UBSAN: {type} in {f}",
        """\
UBSAN: shift-out-of-bounds in fs/x.c:71:7
Call Trace:
 __ubsan_handle_shift_out_of_bounds+0x60/0x80
 x_shift+0x60/0x90
""",
        "UBSAN: shift-out-of-bounds in x_shift",
        fatal=False,
    ),
)
