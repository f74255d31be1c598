// Written by hand in the form of syzbot's reproducers: a header, threads, raw system calls.
// Puts dm-crypt over dm-integrity on /tmp/disk, asks the kernel for the cipher through AF_ALG, and reads what it wrote.
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/if_alg.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTORS 2048

static uint64_t r[3] = {-1, -1, -1};

static int control(unsigned long request, const char* name, const char* target, const char* params)
{
	char buffer[4096] = {0};
	struct dm_ioctl* io = (struct dm_ioctl*)buffer;
	struct dm_target_spec* spec = (struct dm_target_spec*)(buffer + sizeof(*io));

	io->version[0] = DM_VERSION_MAJOR;
	io->data_size = sizeof(buffer);
	io->data_start = sizeof(*io);
	strncpy(io->name, name, sizeof(io->name) - 1);
	if (target) {
		io->target_count = 1;
		spec->length = SECTORS;
		strncpy(spec->target_type, target, sizeof(spec->target_type) - 1);
		strcpy((char*)(spec + 1), params);
	}
	if (syscall(__NR_ioctl, r[0], request, buffer) < 0)
		return -1;
	return minor(io->dev);
}

static int mapped(const char* name, const char* target, const char* params)
{
	int number = control(DM_DEV_CREATE, name, NULL, NULL);

	if (number < 0 || control(DM_TABLE_LOAD, name, target, params) < 0 || control(DM_DEV_SUSPEND, name, NULL, NULL) < 0)
		exit(2);
	return number;
}

static void* cipher(void* arg)
{
	struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "skcipher", .salg_name = "xts(aes)"};

	r[1] = syscall(__NR_socket, AF_ALG, SOCK_SEQPACKET, 0);
	if (r[1] != -1)
		syscall(__NR_bind, r[1], &address, sizeof(address));
	return arg;
}

static void* reader(void* arg)
{
	void* block;

	if (posix_memalign(&block, 4096, 4096))
		exit(3);
	for (int at = 0; at < 16; at++)
		syscall(__NR_pread64, r[2], block, 4096, (long)at * 4096);
	free(block);
	return arg;
}

int main(void)
{
	char params[512], key[193], device[32];
	pthread_t threads[3];
	void* block;

	r[0] = syscall(__NR_openat, AT_FDCWD, "/dev/mapper/control", O_RDWR);
	memset(key, 'a', 192);
	key[192] = 0;
	// Two halves of an xts key must differ.
	memset(key + 64, 'b', 64);
	snprintf(device, sizeof(device), "/dev/dm-%d", mapped("tags", "integrity", "/tmp/disk 0 32 D 0"));
	snprintf(params, sizeof(params), "capi:authenc(hmac(sha256),xts(aes))-plain64 %s 0 %s 0 1 integrity:32:aead", key, device);
	snprintf(device, sizeof(device), "/dev/dm-%d", mapped("secret", "crypt", params));
	r[2] = syscall(__NR_openat, AT_FDCWD, device, O_RDWR | O_DIRECT);
	if (r[2] == (uint64_t)-1 || posix_memalign(&block, 4096, 4096))
		exit(4);
	memset(block, 0x5a, 4096);
	for (int at = 0; at < 16; at++)
		if (syscall(__NR_pwrite64, r[2], block, 4096, (long)at * 4096) != 4096)
			exit(5);
	pthread_create(&threads[0], NULL, cipher, NULL);
	pthread_create(&threads[1], NULL, reader, NULL);
	pthread_create(&threads[2], NULL, reader, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	syscall(__NR_close, r[2]);
	control(DM_DEV_REMOVE, "secret", NULL, NULL);
	control(DM_DEV_REMOVE, "tags", NULL, NULL);
	return 0;
}
