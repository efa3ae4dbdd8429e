/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one file with libseccomp: what an ns guest must not ask the host's kernel. Denied calls fail with
 * EPERM, or ENOSYS where callers then try something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hv/engine_ns.h"

static const int denied[] = {
	/* The mount tree and namespaces are as we made them. */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	/* Processes, ours among them, are not to be looked into. */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(process_madvise),
	/* The host's, or known for what has been found there. */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(syslog),
	SCMP_SYS(vhangup),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(uselib),
	SCMP_SYS(ustat),
	SCMP_SYS(sysfs),
	SCMP_SYS(nfsservctl),
	SCMP_SYS(modify_ldt),
	/* Where it runs is the operator's to say. */
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(set_mempolicy),
	SCMP_SYS(mbind),
	SCMP_SYS(migrate_pages),
	SCMP_SYS(move_pages),
};

#define EPERM_ACTION SCMP_ACT_ERRNO(EPERM)

/*
 * Poll-mode programs end when they cannot pin their threads: let those of such a guest believe that
 * they have. They still run where the operator says.
 */
static uint32_t action_for(enum ns_filter kind, int call)
{
	if (kind == NS_FILTER_PROGRAM && call == SCMP_SYS(sched_setaffinity))
		return SCMP_ACT_ERRNO(0);
	return EPERM_ACTION;
}

static int add_common(scmp_filter_ctx ctx, enum ns_filter kind)
{
	static const unsigned int namespaces[] = { CLONE_NEWNS,	   CLONE_NEWUTS, CLONE_NEWIPC,
						   CLONE_NEWUSER,  CLONE_NEWPID, CLONE_NEWNET,
						   CLONE_NEWCGROUP };
	static const unsigned int ioctls[] = { TIOCSTI, TIOCLINUX };
	static const int families[] = { AF_VSOCK, AF_ALG };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(denied) / sizeof(denied[0]); i++)
		rc = seccomp_rule_add(ctx, action_for(kind, denied[i]), denied[i], 0);
	/* Its flags lie in memory, where no filter sees them; libc falls back to clone(). */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (size_t i = 0; !rc && i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	for (size_t i = 0; !rc && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, ioctls[i]));
	for (size_t i = 0; !rc && i < sizeof(families) / sizeof(families[0]); i++)
		rc = seccomp_rule_add(
			ctx, EPERM_ACTION, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffu, (scmp_datum_t)families[i]));
	return rc;
}

/*
 * The front, or a program in its place, shares eventfds with backends. Clearing O_NONBLOCK on one and filling its counter would
 * block a backend in write(2).
 */
static int add_front(scmp_filter_ctx ctx)
{
	int rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(fcntl), 2,
				  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, F_SETFL),
				  SCMP_A2(SCMP_CMP_MASKED_EQ, O_NONBLOCK, 0));

	if (!rc)
		rc = seccomp_rule_add(ctx, EPERM_ACTION, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, FIONBIO));
	return rc;
}

static int read_program(int fd, struct sock_filter *filter, uint32_t *nr)
{
	ssize_t n = pread(fd, filter, NS_MAX_FILTER * sizeof(*filter), 0);

	if (n <= 0 || n % (ssize_t)sizeof(*filter))
		return -EIO;
	if ((size_t)n == NS_MAX_FILTER * sizeof(*filter))
		return -E2BIG;
	*nr = (uint32_t)((size_t)n / sizeof(*filter));
	return 0;
}

int ns_seccomp_build(enum ns_filter kind, struct sock_filter filter[NS_MAX_FILTER],
		     uint32_t *nr_out)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int fd = -1, rc = -ENOMEM;

	if (!ctx)
		return rc;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/* A binary tree: a system call costs a few comparisons, not one per rule. */
	if (!rc)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = add_common(ctx, kind);
	if (!rc && kind != NS_FILTER_GUEST)
		rc = add_front(ctx);
	if (rc)
		goto out;
	fd = memfd_create("vifrost-seccomp", MFD_CLOEXEC);
	rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	if (!rc)
		rc = read_program(fd, filter, nr_out);
out:
	if (fd >= 0)
		close(fd);
	seccomp_release(ctx);
	return rc;
}
