/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In this order: privileges are given up, the machine is made, system calls are shut off, and only then
 * images are looked at and the guest runs. All that is opened is handed in.
 */
#include "hv/kvm/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/log.h"
#include "hv/kvm/image.h"
#include "hv/kvm/sandbox.h"

#define EXIT_FAILED 1

struct image_map {
	void *data;
	size_t size;
};

static int fail(struct vk_runner *r, const char *what, int rc)
{
	snprintf(r->launch->why, sizeof(r->launch->why), "%s: %s", what, strerror(-rc));
	return rc;
}

static int map_launch(struct vk_runner *r)
{
	struct stat st;
	void *p;

	if (fstat(KVM_LAUNCH_FD, &st) < 0 || st.st_size < (off_t)KVM_LAUNCH_SIZE)
		return -EBADF;
	p = mmap(NULL, KVM_LAUNCH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, KVM_LAUNCH_FD, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->launch = p;
	if (r->launch->magic != KVM_LAUNCH_MAGIC)
		return -EPROTO;
	return 0;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

/* vifrost-hvd's mistakes, were there any. */
static int check_launch(struct vk_runner *r)
{
	const struct kvm_launch *l = r->launch;
	bool ok = l->max_vcpus && l->max_vcpus <= KVM_LAUNCH_MAX_VCPUS && l->nr_vcpus &&
		  l->nr_vcpus <= l->max_vcpus && l->nr_modules <= KVM_LAUNCH_MAX_MODULES &&
		  l->memory && l->memory <= l->max_memory && !(l->max_memory % VK_PAGE) &&
		  l->max_memory <= (uint64_t)CORE_MAX_MEMORY << 20 &&
		  is_text(l->kernel_name, sizeof(l->kernel_name)) &&
		  is_text(l->args, sizeof(l->args));

	for (uint32_t i = 0; ok && i < l->nr_modules; i++)
		ok = is_text(l->module_name[i], sizeof(l->module_name[i])) &&
		     is_text(l->module_args[i], sizeof(l->module_args[i]));
	return ok ? 0 : fail(r, "the launch", -EINVAL);
}

static int make_machine(struct vk_runner *r)
{
	struct vk_dom_params params = { .ops = &vk_vm_ops, .launch = r->launch };
	struct vk_dom *dom;
	int rc = vk_vm_create(KVM_LAUNCH_DEVICE, r->launch, &r->vm, r->launch->why);

	if (rc < 0)
		return rc;
	params.arg = r->vm;
	hypercall_link_socket(&params.link, KVM_LAUNCH_HYPERCALL);
	rc = vk_dom_create(&params, &dom);
	if (rc < 0)
		return fail(r, "the domain's memory", rc);
	rc = vk_vm_populate(r->vm, dom, r->launch->why);
	if (rc < 0)
		vk_dom_destroy(dom);
	return rc;
}

static int map_image(struct vk_runner *r, int fd, const char *name, struct image_map *m)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(r, name, -errno);
	m->size = (size_t)st.st_size;
	if (!m->size)
		return fail(r, name, -ENODATA);
	m->data = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->data == MAP_FAILED) {
		m->data = NULL;
		return fail(r, name, -errno);
	}
	return 0;
}

static int build(struct vk_runner *r, struct builder_config *config)
{
	struct builder_guest guest;
	int rc = builder_build(config, &guest, r->launch->why);

	r->vm->plain_calls = !r->vm->trap->rewrite;
	if (!rc && !r->vm->plain_calls)
		rc = builder_trap_hypercalls(config, &guest, r->launch->why);
	if (rc < 0)
		return rc;
	memcpy(r->vm->memmap, guest.memmap, sizeof(r->vm->memmap));
	r->vm->dom->memmap = r->vm->memmap;
	r->vm->dom->nr_memmap = guest.nr_memmap;
	log_info("domain %u: hypercalls by %s, %u of them", r->vm->dom->domid, r->vm->trap->name,
		 guest.nr_rewritten);
	rc = vk_vm_set_entry(r->vm, guest.entry, guest.start_info);
	return rc < 0 ? fail(r, "the first vCPU", rc) : 0;
}

static int load(struct vk_runner *r)
{
	struct kvm_launch *l = r->launch;
	struct image_map maps[1 + KVM_LAUNCH_MAX_MODULES] = { 0 };
	struct builder_config config = { .name = l->kernel_name,
					 .cmdline = l->args,
					 .nr_modules = l->nr_modules,
					 .memory = r->vm->dom->memory,
					 .memory_size = l->max_memory,
					 .nr_vcpus = l->max_vcpus };
	int rc = map_image(r, KVM_LAUNCH_KERNEL, l->kernel_name, &maps[0]);

	config.kernel = maps[0].data;
	config.kernel_size = maps[0].size;
	for (uint32_t i = 0; !rc && i < l->nr_modules; i++) {
		rc = map_image(r, KVM_LAUNCH_MODULE + (int)i, l->module_name[i], &maps[1 + i]);
		config.modules[i] = (struct builder_module){
			.name = l->module_name[i],
			.data = maps[1 + i].data,
			.size = maps[1 + i].size,
			.cmdline = l->module_args[i][0] ? l->module_args[i] : NULL,
			.is_kernel = i == 0 && (l->flags & KVM_LAUNCH_SHIM || l->nr_modules > 1),
		};
	}
	if (!rc)
		rc = build(r, &config);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i].data)
			munmap(maps[i].data, maps[i].size);
	/* They may be in memory, and nobody else has them any more. */
	for (uint32_t i = 0; i <= l->nr_modules && i <= KVM_LAUNCH_MAX_MODULES; i++)
		close(KVM_LAUNCH_KERNEL + (int)i);
	return rc;
}

static int restore(struct vk_runner *r)
{
	uint64_t clock_ns = 0;
	int rc = vk_image_restore(r->vm, KVM_LAUNCH_IMAGE, &clock_ns, r->launch->why);

	if (rc < 0)
		return rc;
	rc = vk_clock_set(r->vm, clock_ns);
	return rc < 0 ? fail(r, "the guest's clock", rc) : 0;
}

/* All vCPUs stand still, and vifrost-hvd hears why. */
static void shutdown_ready(void *arg, uint32_t events)
{
	struct vk_runner *r = arg;

	(void)events;
	hypercall_event_clear(r->vm->shutdown_fd);
	if (r->is_shut_down || !r->vm->has_reason)
		return;
	vk_vm_stop(r->vm, VK_STOP_SHUTDOWN);
	/* But of one that is over, and waits for just that. */
	if (r->copy_id || r->vm->reason != SHUTDOWN_suspend)
		vk_control_copy_end(r, -ECANCELED);
	r->is_shut_down = true;
	r->suspended = r->vm->reason == SHUTDOWN_suspend;
	r->launch->reason = r->vm->reason;
	__atomic_store_n(&r->launch->stage, KVM_STAGE_SHUTDOWN, __ATOMIC_RELEASE);
	vk_control_event(KVM_EVENT_SHUTDOWN, r->vm->reason);
}

/* A guest without ACPI powers off by halting all of its vCPUs for good, which KVM tells nobody. */
static void each_second(void *arg)
{
	struct vk_runner *r = arg;
	uint64_t exits = 0;

	for (unsigned int i = 0; i < r->vm->nr_cpus; i++)
		exits += __atomic_load_n(&r->vm->cpu[i].count->exits, __ATOMIC_RELAXED) -
			 __atomic_load_n(&r->vm->cpu[i].count->kicks, __ATOMIC_RELAXED);
	if (exits == r->exits && vk_vm_all_halted(r->vm))
		vk_vm_shutdown(r->vm, 0, SHUTDOWN_poweroff);
	r->exits = exits;
}

static int serve(struct vk_runner *r)
{
	int rc = loop_create(&r->loop);

	/* One who does not read his events must not have us stand still. */
	if (!rc && fcntl(KVM_LAUNCH_CONTROL, F_SETFL, O_NONBLOCK) < 0)
		rc = -errno;
	if (!rc)
		rc = loop_fd_add(r->loop, &r->control, KVM_LAUNCH_CONTROL, EPOLLIN,
				 vk_control_ready, r);
	if (!rc)
		rc = loop_fd_add(r->loop, &r->shutdown, r->vm->shutdown_fd, EPOLLIN, shutdown_ready,
				 r);
	if (!rc)
		rc = loop_timer_add(r->loop, &r->second, each_second, r);
	if (!rc)
		rc = loop_timer_set(&r->second, 1000, 1000);
	return rc < 0 ? fail(r, "the control socket", rc) : 0;
}

static void on_kick(int signo)
{
	(void)signo;
}

static int set_up(struct vk_runner *r)
{
	struct sigaction kick = { .sa_handler = on_kick };
	int rc = check_launch(r);

	if (rc < 0)
		return rc;
	/* No SA_RESTART: its purpose is to have a system call return. */
	sigaction(VK_KICK, &kick, NULL);
	signal(SIGPIPE, SIG_IGN);
	rc = vk_sandbox_user(r->launch->uid, r->launch->gid);
	if (rc < 0)
		return fail(r, "giving up privileges", rc);
	rc = make_machine(r);
	if (!rc)
		rc = serve(r);
	if (rc < 0)
		return rc;
	rc = vk_sandbox_calls();
	if (rc < 0)
		return fail(r, "seccomp", rc);
	return r->launch->flags & KVM_LAUNCH_RESTORE ? restore(r) : load(r);
}

int vk_runner_main(void)
{
	struct vk_runner r = { 0 };
	int rc = map_launch(&r);

	if (rc < 0) {
		log_err("it is started by vifrost-hvd, with descriptors as hv/kvm/launch.h says");
		return EXIT_FAILED;
	}
	rc = set_up(&r);
	if (rc < 0) {
		log_err("%s", r.launch->why);
		__atomic_store_n(&r.launch->stage, KVM_STAGE_FAILED, __ATOMIC_RELEASE);
		vk_control_event(KVM_EVENT_FAILED, 0);
		/* The kernel clears up faster, and half a machine has threads to be waited for. */
		return EXIT_FAILED;
	}
	__atomic_store_n(&r.launch->stage, KVM_STAGE_READY, __ATOMIC_RELEASE);
	vk_control_event(KVM_EVENT_READY, 0);
	if (!(r.launch->flags & KVM_LAUNCH_PAUSED))
		vk_vm_go(r.vm, VK_STOP_PAUSED);
	loop_run(r.loop);
	return 0;
}
