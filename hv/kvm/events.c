/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that hears of events from outside, and of the ends of timers. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hv/kvm/vm.h"

/* In epoll's word: a port, or one of these with a vCPU's number. */
#define TIMER UINT64_C(0x100000000)
#define QUIT  UINT64_C(0x200000000)
#define BATCH 64

static void *event_thread(void *arg)
{
	struct vk_vm *vm = arg;
	struct epoll_event events[BATCH];

	for (;;) {
		int n = epoll_wait(vm->epoll_fd, events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			uint64_t what = events[i].data.u64;
			uint64_t count;

			if (what == QUIT)
				return NULL;
			if (!(what & TIMER))
				vk_dom_event(vm->dom, (uint32_t)what);
			/* One that was set anew meanwhile has not run out. */
			else if (read(vm->cpu[(uint32_t)what].timer_fd, &count, sizeof(count)) > 0)
				vk_dom_timer(vm->dom, (uint32_t)what);
		}
	}
}

static int add(struct vk_vm *vm, int fd, uint64_t what)
{
	/* Each write is an edge of its own, so what counts them need not be read. */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = what };

	return epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int vk_events_watch(struct vk_vm *vm, uint32_t port, int fd, bool on)
{
	if (on)
		return add(vm, fd, port);
	epoll_ctl(vm->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	return 0;
}

int vk_events_start(struct vk_vm *vm)
{
	int rc;

	vm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	vm->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->epoll_fd < 0 || vm->quit_fd < 0)
		return -errno;
	rc = add(vm, vm->quit_fd, QUIT);
	for (unsigned int i = 0; !rc && i < vm->nr_cpus; i++)
		rc = add(vm, vm->cpu[i].timer_fd, TIMER | i);
	if (!rc)
		rc = vk_thread_start(&vm->events, NULL, event_thread, vm);
	vm->has_events = !rc;
	return rc;
}

void vk_events_stop(struct vk_vm *vm)
{
	if (vm->has_events) {
		hypercall_event_send(vm->quit_fd);
		pthread_join(vm->events, NULL);
	}
	vm->has_events = false;
	if (vm->epoll_fd >= 0)
		close(vm->epoll_fd);
	if (vm->quit_fd >= 0)
		close(vm->quit_fd);
	vm->epoll_fd = vm->quit_fd = -1;
}
