/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process may still do once it has started: serve what it has, and make TAPs. It can open
 * /dev/net/tun, and with the same flags anything else that its user may read and write: a filter does
 * not see paths. It can make no socket, run no program, and not change descriptors that it shares with
 * others (F_SETFL). All else fails with EPERM.
 *
 * The calls of the packet path are allowed whatever their arguments, which lets the kernel skip the
 * filter for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <xen/xen.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>

#include "netback/front/eth.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const unsigned int plain_calls[] = {
#ifdef SYS_epoll_wait
	SYS_epoll_wait,	     SYS_poll,
#endif
	SYS_preadv2,	     SYS_pwritev2,    SYS_epoll_pwait,	SYS_read,
	SYS_write,	     SYS_readv,	      SYS_writev,	SYS_close,
	SYS_epoll_ctl,	     SYS_ppoll,	      SYS_recvmsg,	SYS_sendmsg,
	SYS_recvfrom,	     SYS_sendto,      SYS_futex,	SYS_brk,
	SYS_munmap,	     SYS_madvise,     SYS_mremap,	SYS_clock_gettime,
	SYS_clock_nanosleep, SYS_getrandom,   SYS_rt_sigreturn, SYS_rt_sigprocmask,
	SYS_sigaltstack,     SYS_sched_yield, SYS_getpid,	SYS_gettid,
	SYS_tgkill,	     SYS_exit,	      SYS_exit_group,	SYS_restart_syscall,
	SYS_fstat,	     SYS_newfstatat,  SYS_pread64,
};

/* Calls that are allowed with certain values of an argument's lower half. */
struct rule {
	unsigned int call;
	unsigned int arg, mask, value;
};

static const struct rule rules[] = {
	{ SYS_openat, 2, ~0u, O_RDWR | O_CLOEXEC | O_NONBLOCK },
	{ SYS_mmap, 2, PROT_EXEC, 0 },
	{ SYS_mprotect, 2, PROT_EXEC, 0 },
	{ SYS_ioctl, 1, ~0u, TUNSETIFF },
	{ SYS_ioctl, 1, ~0u, TUNSETCARRIER },
	{ SYS_ioctl, 1, ~0u, TUNSETOFFLOAD },
	{ SYS_ioctl, 1, ~0u, TUNSETQUEUE },
	{ SYS_ioctl, 1, ~0u, SIOCSIFHWADDR },
	{ SYS_ioctl, 1, ~0u, SIOCSIFMTU },
};

/* In a domU: pages and event channels of a connection are had from the kernel. */
static const struct rule xen_rules[] = {
	{ SYS_openat, 2, ~0u, O_RDWR | O_CLOEXEC },
	{ SYS_fcntl, 1, ~0u, F_SETFL }, /* nobody shares our descriptors here */
	{ SYS_ioctl, 1, ~0u, IOCTL_EVTCHN_BIND_UNBOUND_PORT },
	{ SYS_ioctl, 1, ~0u, IOCTL_EVTCHN_NOTIFY },
	{ SYS_ioctl, 1, ~0u, IOCTL_GNTALLOC_ALLOC_GREF },
	{ SYS_ioctl, 1, ~0u, IOCTL_GNTALLOC_DEALLOC_GREF },
};

#define PROGRAM_MAX    (6 + 2 * LENGTH(plain_calls) + 6 * (LENGTH(rules) + LENGTH(xen_rules)))
#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* Go on with the next instruction if equal, else skip @skip of them. */
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))

static unsigned int add(struct sock_filter *program, unsigned int nr, struct sock_filter what)
{
	program[nr] = what;
	return nr + 1;
}

static unsigned int add_rule(struct sock_filter *program, unsigned int nr, const struct rule *r)
{
	nr = add(program, nr, (struct sock_filter)UNLESS(r->call, 5));
	nr = add(program, nr,
		 (struct sock_filter)BPF_STMT(
			 BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(offsetof(struct seccomp_data, args) + r->arg * 8)));
	nr = add(program, nr, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask));
	nr = add(program, nr, (struct sock_filter)UNLESS(r->value, 1));
	nr = add(program, nr, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
	return add(program, nr, (struct sock_filter)LOAD(nr));
}

static unsigned int build(struct sock_filter *program, bool xen)
{
	unsigned int nr = 0;

	nr = add(program, nr, (struct sock_filter)LOAD(arch));
	nr = add(program, nr, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
	nr = add(program, nr, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS));
	nr = add(program, nr, (struct sock_filter)LOAD(nr));
	for (unsigned int i = 0; i < LENGTH(plain_calls); i++) {
		nr = add(program, nr, (struct sock_filter)UNLESS(plain_calls[i], 1));
		nr = add(program, nr, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
	}
	for (unsigned int i = 0; i < LENGTH(rules); i++)
		nr = add_rule(program, nr, &rules[i]);
	for (unsigned int i = 0; xen && i < LENGTH(xen_rules); i++)
		nr = add_rule(program, nr, &xen_rules[i]);
	return add(program, nr, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM));
}

int eth_sandbox(bool xen)
{
	struct sock_filter program[PROGRAM_MAX];
	struct sock_fprog fprog = { .filter = program };

	fprog.len = (unsigned short)build(program, xen);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog) < 0)
		return -errno;
	return 0;
}
