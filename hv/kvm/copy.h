/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a domain that runs, sent in rounds: the first has all of it, each next what was written to
 * during the one before, by vCPUs (KVM's log), by backends and by us (hv/core_dirty.h). Rounds are over when
 *
 *	at most VK_COPY_FEW pages are left, or
 *	what is left would take at most VK_COPY_LEFT_MS at the pace so far, or
 *	after the third, a round has left no fewer than the one before, or
 *	VK_COPY_ROUNDS were sent, or VK_COPY_TIMES its memory.
 *
 * Then the guest is to suspend itself, for which it writes to some hundred pages more, many of them again and again:
 * vk_copy_finish() sends them. Only where that takes a guest long these are sent as they come, more than VK_COPY_FEW of
 * them now and then, with most of the time left to the guest. hv/kvm/image.h is what comes of it.
 * One thread, the loop's; vCPUs are never waited for.
 */
#ifndef HV_KVM_COPY_H
#define HV_KVM_COPY_H

#include "base/loop.h"
#include "hv/kvm/image.h"

#define VK_COPY_FEW	   64u
#define VK_COPY_LEFT_MS	   20u
#define VK_COPY_ROUNDS	   (KVM_LAUNCH_MAX_ROUNDS - 2u)
#define VK_COPY_TAIL_MS	   50u /* between two looks while the guest suspends itself */
#define VK_COPY_TAIL_SHARE 4u  /* and so many times as long as what was sent last has taken */
#define VK_COPY_TIMES	   3u

struct vk_copy;

struct vk_copy_params {
	struct vk_vm *vm;
	struct loop *loop;
	int fd; /* of a pipe, not blocking; taken over by success */
	/*
	 * From the loop: with 0 when the rounds are over; with -errno when it has failed, which it can
	 * afterwards as well (-EPIPE: nobody reads any more). vk_copy_end() is allowed in it.
	 */
	void (*done)(void *arg, int rc);
	void *arg;
};

int vk_copy_start(const struct vk_copy_params *params, struct vk_copy **copy_out);
/*
 * Rounds are over, vCPUs stand still: the rest, to @fd, which blocks. What is written to is noted on until vk_copy_end(),
 * which can wait: KVM takes long to stop that.
 */
int vk_copy_finish(struct vk_copy *copy, int fd);
/* Nothing is noted any more. NULL is allowed. */
void vk_copy_end(struct vk_copy *copy);

#endif
