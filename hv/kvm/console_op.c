/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hypervisor's console, where kernels print before they have one of their own: lines in our log. */
#include "hv/kvm/call.h"

#include <xen/xen.h>

#include "base/log.h"

#define MAX_WRITE   4096u
#define MAX_PRINTED (1u << 20) /* bytes of a domain's life: a log is the host's */

static void end_line(struct vk_dom *dom)
{
	if (dom->printed < MAX_PRINTED)
		log_notice("domain %u: %.*s", dom->domid, (int)dom->line_len, dom->line);
	dom->printed += dom->line_len + 1;
	dom->line_len = 0;
}

static void print(struct vk_dom *dom, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool end = text[i] == '\n';

		if (end || dom->line_len == sizeof(dom->line))
			end_line(dom);
		/* A guest does not get at the terminal of who reads this. */
		if (!end && text[i] != '\r')
			dom->line[dom->line_len++] = text[i] >= ' ' && text[i] < 0x7f ? text[i]
										      : '?';
	}
}

int64_t vk_console_op(struct vk_call *call)
{
	char text[256];
	uint64_t left = call->arg[1] < MAX_WRITE ? call->arg[1] : MAX_WRITE, va = call->arg[2];

	if (call->arg[0] == CONSOLEIO_read)
		return 0;
	if (call->arg[0] != CONSOLEIO_write)
		return -ENOSYS;
	while (left) {
		size_t n = left < sizeof(text) ? left : sizeof(text);

		if (vk_copy_from(call, text, va, n) < 0)
			return -EFAULT;
		pthread_mutex_lock(&call->dom->lock);
		print(call->dom, text, n);
		pthread_mutex_unlock(&call->dom->lock);
		va += n;
		left -= n;
	}
	return 0;
}
