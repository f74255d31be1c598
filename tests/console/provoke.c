/*
 * The first process of a guest that is to crash: it does what the kernel's command line says behind `--`,
 *
 *	write FILE WORD [WORD...]	writes the words to a file, one after another
 *	eat				takes memory until there is none
 *
 * in a child named `provoke`, waits for it and resets the machine.  Made with the nolibc of the kernel's own tree.
 */
#define PATIENCE 15	/* seconds; what never ends is left alone after that */

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		write(fd, text, strlen(text));
		close(fd);
	}
}

static void eat(void)
{
	for (;;)
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

int main(int argc, char **argv)
{
	unsigned long second = 2;
	int left = PATIENCE;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	/* The boot was quiet; what comes now is what the log is for. */
	put("/proc/sys/kernel/printk", "8");
	if (fork() == 0) {
		put("/proc/self/comm", "provoke");
		/* The first CPU has the only clock where the others' timers do not work, and is to find the lockups. */
		my_syscall3(__NR_sched_setaffinity, 0, sizeof(second), &second);
		if (!strcmp(argv[1], "eat"))
			eat();
		for (int i = 3; i < argc; i++)
			put(argv[2], argv[i]);
		return 0;
	}
	if (!strcmp(argv[1], "eat"))
		waitpid(-1, NULL, 0);	/* that takes a while, and ends */
	while (left-- > 0 && waitpid(-1, NULL, WNOHANG) == 0)
		sleep(1);
	sleep(1);
	reboot(LINUX_REBOOT_CMD_RESTART);
	return 0;
}
