// Written by hand in the form of syzbot's reproducers.
// One thread goes through five phases of equal length; the other looks once, and reads in the first of them only.
#define _GNU_SOURCE

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int phase, over;

static void wait_for(long microseconds)
{
	struct timespec time = {.tv_nsec = microseconds * 1000};

	syscall(__NR_nanosleep, &time, NULL);
}

static void* phases(void* arg)
{
	uint32_t first = 0;

	getrandom(&first, sizeof(first), GRND_NONBLOCK);
	for (phase = first % 5; !over; phase = (phase + 1) % 5)
		wait_for(2000);
	return arg;
}

static void* reader(void* arg)
{
	uint32_t moment = 0;
	void* block;
	long fd;

	fd = syscall(__NR_openat, AT_FDCWD, "/dev/mapper/secret", O_RDONLY | O_DIRECT);
	if (fd < 0 || posix_memalign(&block, 4096, 4096))
		exit(2);
	getrandom(&moment, sizeof(moment), GRND_NONBLOCK);
	wait_for(5000 + moment % 100000);
	if (phase == 0)
		syscall(__NR_pread64, fd, block, 4096, 0);
	over = 1;
	return arg;
}

int main(void)
{
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, phases, NULL);
	pthread_create(&threads[1], NULL, reader, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
