/*
 * old_kernel COMMAND...: run a command as on Linux 3.10, as far as a filter can make it seem so.
 *
 * The last system call that 3.10 has on x86-64 is 313, finit_module: those that came later, such
 * as getrandom, are answered as a kernel does that never heard of them. uname says 2.6: libcrypto
 * asks it whether the kernel must have getrandom. Newer flags of old calls, and how such a kernel
 * loads a program, are not imitated.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LAST_OF_3_10 = 313 };

int
main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_OF_3_10, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (argc < 2) {
		fprintf(stderr, "usage: old_kernel COMMAND...\n");
		return 64;
	}
	if (personality(PER_LINUX | UNAME26) == -1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("old_kernel");
		return 71;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 71;
}
