# A boot sector that does what every kernel does first: enters long mode with paging, uses cpuid, SSE,
# a locked instruction and the time stamp counter.  Where KVM only pretends, one of these fails or hangs.
# At its end it writes 0x2a to QEMU's isa-debug-exit, which makes QEMU exit with status 0x2a * 2 + 1.
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	# Page tables at 0x1000: one large page, identity mapped.
	movw $0x1000, %di
	movw $0x1800, %cx
	rep stosw
	movl $0x2003, 0x1000
	movl $0x3003, 0x2000
	movl $0x0083, 0x3000
	lgdtl gdtr
	movl %cr4, %eax
	orl $0x620, %eax		# PAE and SSE
	movl %eax, %cr4
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax		# EFER.LME
	wrmsr
	movl %cr0, %eax
	andl $~4, %eax
	orl $0x80000003, %eax		# paging and protection
	movl %eax, %cr0
	ljmpl $8, $long

	.code64
long:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $0x7000, %esp
	xorl %eax, %eax
	cpuid
	pxor %xmm0, %xmm0
	movups %xmm0, 0x6000
	lock cmpxchgq %rbx, 0x6010
	rdtsc
	movb $0x2a, %al
	outb %al, $0xf4
1:	hlt
	jmp 1b

	.p2align 3
gdt:	.quad 0
	.quad 0x00af9a000000ffff
	.quad 0x00cf92000000ffff
gdtr:	.word gdtr - gdt - 1
	.long gdt
	.org 510
	.word 0xaa55
