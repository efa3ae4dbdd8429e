/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of vifrost-hvd. */
#include "hv/kvm/control.h"

#include <errno.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/unixsock.h"
#include "hv/kvm/image.h"
#include "hv/kvm/runner.h"

#define MSI_NMI	 0x400u
#define MSI_INIT 0x500u

#define LATER 1 /* it answers itself, and keeps the descriptor */

static void send_reply(const struct kvm_control_reply *reply)
{
	unixsock_send(KVM_LAUNCH_CONTROL, reply, sizeof(*reply), NULL, 0);
}

void vk_control_event(enum kvm_control_event event, uint32_t arg)
{
	send_reply(&(struct kvm_control_reply){
		.magic = KVM_CONTROL_MAGIC, .event = event, .arg = arg });
}

static int do_pause(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	(void)req;
	(void)fd;
	vk_vm_stop(r->vm, VK_STOP_PAUSED);
	return 0;
}

static int do_unpause(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	(void)req;
	(void)fd;
	vk_vm_go(r->vm, VK_STOP_PAUSED);
	return 0;
}

static int do_trigger(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	(void)fd;
	if (req->vcpu >= r->vm->nr_cpus)
		return -ENOENT;
	switch ((enum kvm_trigger)req->arg) {
	case KVM_TRIGGER_NMI:
		return vk_cpu_message(&r->vm->cpu[req->vcpu], MSI_NMI);
	case KVM_TRIGGER_INIT:
		return vk_cpu_message(&r->vm->cpu[req->vcpu], MSI_INIT);
	case KVM_TRIGGER_RESET:
		vk_vm_shutdown(r->vm, 0, SHUTDOWN_reboot);
		return 0;
	case KVM_TRIGGER_POWER:
		vk_vm_shutdown(r->vm, 0, SHUTDOWN_poweroff);
		return 0;
	case KVM_TRIGGER_CRASH:
		vk_vm_shutdown(r->vm, 0, SHUTDOWN_crash);
		return 0;
	}
	return -EINVAL;
}

void vk_control_copy_end(struct vk_runner *r, int rc)
{
	uint32_t id = r->copy_id;

	vk_copy_end(r->copy);
	r->copy = NULL;
	r->copy_id = 0;
	if (id)
		send_reply(&(struct kvm_control_reply){
			.magic = KVM_CONTROL_MAGIC, .id = id, .status = rc });
}

static void copied(void *arg, int rc)
{
	struct vk_runner *r = arg;

	if (rc < 0) {
		vk_control_copy_end(r, rc);
		return;
	}
	send_reply(&(struct kvm_control_reply){ .magic = KVM_CONTROL_MAGIC, .id = r->copy_id });
	r->copy_id = 0;
}

static int do_copy(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	struct vk_copy_params params = {
		.vm = r->vm, .loop = r->loop, .fd = fd, .done = copied, .arg = r
	};
	int rc;

	if (r->copy)
		return -EBUSY;
	if (r->is_shut_down || fd < 0)
		return -EINVAL;
	rc = vk_copy_start(&params, &r->copy);
	if (rc < 0)
		return rc;
	r->copy_id = req->id;
	return LATER;
}

static int do_copy_end(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	(void)req;
	(void)fd;
	vk_control_copy_end(r, -ECANCELED);
	return 0;
}

static int do_save(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	int rc;

	if (!r->suspended || fd < 0)
		return -EINVAL;
	if (!req->arg)
		rc = vk_image_save(r->vm, fd);
	else
		rc = r->copy ? vk_copy_finish(r->copy, fd) : -EPIPE;
	/* One that went well has the guest run elsewhere as soon as we answer, and here only by do_resume(). */
	if (rc < 0 || !req->arg)
		vk_control_copy_end(r, -ECANCELED);
	/* Who asks does not wait for disks; a FIFO has none. */
	return rc || !fsync(fd) || errno == EINVAL ? rc : -errno;
}

static int do_dump_core(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	int rc;

	(void)req;
	if (fd < 0)
		return -EINVAL;
	vk_vm_stop(r->vm, VK_STOP_BUSY);
	rc = vk_dump_core(r->vm, fd);
	vk_vm_go(r->vm, VK_STOP_BUSY);
	return rc;
}

static int do_resume(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	(void)req;
	(void)fd;
	if (!r->suspended)
		return -EINVAL;
	vk_control_copy_end(r, -ECANCELED);
	r->is_shut_down = r->suspended = false;
	r->vm->cpu[r->vm->suspender].cancelled = true;
	r->vm->has_reason = false;
	__atomic_store_n(&r->launch->stage, KVM_STAGE_READY, __ATOMIC_RELEASE);
	vk_vm_go(r->vm, VK_STOP_SHUTDOWN);
	return 0;
}

static int do_max_memory(struct vk_runner *r, const struct kvm_control_request *req, int fd)
{
	struct vk_dom *dom = r->vm->dom;

	(void)fd;
	if (!req->value || req->value > dom->ram)
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	dom->max_memory = req->value;
	pthread_mutex_unlock(&dom->lock);
	return 0;
}

static int (*const requests[KVM_CONTROL_NR_OPS])(struct vk_runner *r,
						 const struct kvm_control_request *req, int fd) = {
	[KVM_CONTROL_PAUSE] = do_pause,
	[KVM_CONTROL_UNPAUSE] = do_unpause,
	[KVM_CONTROL_TRIGGER] = do_trigger,
	[KVM_CONTROL_DUMP_CORE] = do_dump_core,
	[KVM_CONTROL_SAVE] = do_save,
	[KVM_CONTROL_RESUME] = do_resume,
	[KVM_CONTROL_MAX_MEMORY] = do_max_memory,
	[KVM_CONTROL_COPY] = do_copy,
	[KVM_CONTROL_COPY_END] = do_copy_end,
};

void vk_control_ready(void *arg, uint32_t events)
{
	struct vk_runner *r = arg;
	struct kvm_control_request req;
	struct kvm_control_reply reply = { .magic = KVM_CONTROL_MAGIC };
	int fd = -1;
	size_t nr_fds = 1;
	ssize_t n = unixsock_recv(KVM_LAUNCH_CONTROL, &req, sizeof(req), &fd, &nr_fds);

	(void)events;
	if (n == 0) {
		/* Nobody will ever ask again: the keeper is gone too, and with it the domain. */
		loop_stop(r->loop, 0);
		return;
	}
	if (n != (ssize_t)sizeof(req) || req.magic != KVM_CONTROL_MAGIC || !req.id)
		goto out;
	reply.id = req.id;
	reply.status = req.op < KVM_CONTROL_NR_OPS && requests[req.op]
			       ? requests[req.op](r, &req, nr_fds ? fd : -1)
			       : -EOPNOTSUPP;
	if (reply.status == LATER)
		return;
	send_reply(&reply);
out:
	if (n > 0 && nr_fds)
		close(fd);
}
