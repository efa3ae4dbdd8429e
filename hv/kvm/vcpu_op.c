/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs as a PVH guest has them: started by INIT and SIPI, which KVM does; here are their vcpu_info,
 * timers and areas of time.
 */
#include "hv/kvm/call.h"

#include <xen/vcpu.h>

/* call->arg[1] is below nr_vcpus in all of these. */

static int64_t is_up(struct vk_call *call, void *arg)
{
	(void)arg;
	return __atomic_load_n(&call->dom->launch->vcpu[call->arg[1]].online, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&call->dom->vcpu[call->arg[1]].down, __ATOMIC_RELAXED);
}

/* The guest has had it up before: a first time is by INIT and SIPI. */
static int64_t set_down(struct vk_call *call, bool down)
{
	struct vk_dom *dom = call->dom;

	if (!__atomic_load_n(&dom->launch->vcpu[call->arg[1]].online, __ATOMIC_RELAXED))
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	__atomic_store_n(&dom->vcpu[call->arg[1]].down, down, __ATOMIC_SEQ_CST);
	dom->ops->renew(dom->arg, (unsigned int)call->arg[1]);
	pthread_cond_broadcast(&dom->wakeup);
	pthread_mutex_unlock(&dom->lock);
	return 0;
}

static int64_t up(struct vk_call *call, void *arg)
{
	(void)arg;
	return set_down(call, false);
}

/* A kernel that is restored does so with its other vCPUs, while it says anew where their vcpu_info are. */
static int64_t down(struct vk_call *call, void *arg)
{
	(void)arg;
	return set_down(call, true);
}

static struct vcpu_runstate_info runstate_now(struct vk_dom *dom)
{
	/* What of its time the host has taken is not accounted here. */
	return (struct vcpu_runstate_info){ .state = RUNSTATE_running,
					    .state_entry_time = dom->ops->now(dom->arg) };
}

static int64_t get_runstate(struct vk_call *call, void *arg)
{
	struct vcpu_runstate_info *info = arg;

	pthread_mutex_lock(&call->dom->lock);
	*info = runstate_now(call->dom);
	pthread_mutex_unlock(&call->dom->lock);
	return 0;
}

static int64_t register_runstate(struct vk_call *call, void *arg)
{
	const struct vcpu_register_runstate_memory_area *op = arg;
	struct vcpu_runstate_info info;

	pthread_mutex_lock(&call->dom->lock);
	info = runstate_now(call->dom);
	pthread_mutex_unlock(&call->dom->lock);
	return vk_copy_to(call, op->addr.p, &info, sizeof(info));
}

/* What is pending goes along: Xen copies the old vcpu_info, and so that nothing is lost looks at all anew. */
static int64_t register_info(struct vk_call *call, void *arg)
{
	const struct vcpu_register_vcpu_info *op = arg;
	struct vk_dom *dom = call->dom;
	struct vk_vcpu *v = &dom->vcpu[call->arg[1]];
	struct vcpu_info *info;
	uint64_t gpa;

	if (op->offset > VK_PAGE - sizeof(*info) || op->offset % sizeof(uint64_t) ||
	    op->mfn >= UINT64_C(1) << 40)
		return -EINVAL;
	gpa = op->mfn * VK_PAGE + op->offset;
	info = vk_mem(dom, gpa, sizeof(*info));
	if (!info)
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	if (v->info_gpa != VK_NO_GPA) {
		pthread_mutex_unlock(&dom->lock);
		return -EINVAL;
	}
	memcpy(info, v->info, sizeof(*info));
	/* The edge for what was pending has gone to the old place. */
	__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	/* What is written here from now on is not said each time: vk_copy_finish() has this page always. */
	v->info = info;
	v->info_gpa = gpa;
	vk_evtchn_refresh(dom, (unsigned int)call->arg[1]);
	dom->ops->renew(dom->arg, (unsigned int)call->arg[1]);
	pthread_mutex_unlock(&dom->lock);
	return 0;
}

static int64_t set_timer(struct vk_call *call, uint64_t deadline, bool future)
{
	struct vk_dom *dom = call->dom;
	int64_t rc = 0;

	pthread_mutex_lock(&dom->lock);
	if (future && deadline <= dom->ops->now(dom->arg))
		rc = -ETIME;
	else {
		dom->ops->timer(dom->arg, call->vcpu, deadline);
		__atomic_fetch_add(&dom->vcpu[call->vcpu].count->timers, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

static int64_t set_singleshot(struct vk_call *call, void *arg)
{
	const struct vcpu_set_singleshot_timer *op = arg;

	if (call->arg[1] != call->vcpu)
		return -EINVAL;
	/* 0 is "none" behind this, and any time in the past the same. */
	return set_timer(call, op->timeout_abs_ns ? op->timeout_abs_ns : 1,
			 op->flags & VCPU_SSHOTTMR_future);
}

static int64_t stop_singleshot(struct vk_call *call, void *arg)
{
	(void)arg;
	return call->arg[1] == call->vcpu ? set_timer(call, 0, false) : -EINVAL;
}

/* There is none, ever: nothing to stop. It is what a vCPU asks when its clock is set up. */
static int64_t stop_periodic(struct vk_call *call, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&call->dom->lock);
	call->dom->ops->renew(call->dom->arg, (unsigned int)call->arg[1]);
	pthread_mutex_unlock(&call->dom->lock);
	return 0;
}

static int64_t get_physid(struct vk_call *call, void *arg)
{
	(void)call;
	(void)arg;
	/* Of pinned vCPUs of dom0 only. */
	return -EINVAL;
}

static const struct vk_op ops[] = {
	[VCPUOP_up] = { up, 0, false },
	[VCPUOP_down] = { down, 0, false },
	[VCPUOP_is_up] = { is_up, 0, false },
	[VCPUOP_get_runstate_info] = { get_runstate, sizeof(struct vcpu_runstate_info), true },
	[VCPUOP_register_runstate_memory_area] = { register_runstate,
						   sizeof(struct
							  vcpu_register_runstate_memory_area),
						   false },
	[VCPUOP_stop_periodic_timer] = { stop_periodic, 0, false },
	[VCPUOP_set_singleshot_timer] = { set_singleshot, sizeof(struct vcpu_set_singleshot_timer),
					  false },
	[VCPUOP_stop_singleshot_timer] = { stop_singleshot, 0, false },
	[VCPUOP_register_vcpu_info] = { register_info, sizeof(struct vcpu_register_vcpu_info),
					false },
	[VCPUOP_get_physid] = { get_physid, 0, false },
};

int64_t vk_vcpu_op(struct vk_call *call)
{
	if (call->arg[1] >= call->dom->nr_vcpus)
		return -ENOENT;
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[2]);
}

int64_t vk_timer_op(struct vk_call *call)
{
	return set_timer(call, call->arg[0], false);
}
