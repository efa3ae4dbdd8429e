/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hypervisor says of itself: Xen's interface, 4.17. */
#include "hv/kvm/call.h"

#include <stdio.h>

#include <xen/version.h>

#define XEN_MAJOR 4
#define XEN_MINOR 17

static const uint32_t features = 1u << XENFEAT_writable_page_tables |
				 1u << XENFEAT_auto_translated_physmap |
				 1u << XENFEAT_supervisor_mode_kernel |
				 1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock;

static int64_t version(struct vk_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return XEN_MAJOR << 16 | XEN_MINOR;
}

static int64_t copy_text(struct vk_call *call, const char *text, size_t size)
{
	char buf[1024] = "";

	snprintf(buf, sizeof(buf), "%s", text);
	return vk_copy_to(call, call->arg[1], buf, size);
}

static int64_t extraversion(struct vk_call *call, void *arg)
{
	(void)arg;
	return copy_text(call, "-vifrost", sizeof(xen_extraversion_t));
}

static int64_t compile_info(struct vk_call *call, void *arg)
{
	static const struct xen_compile_info info = { "cc", "vifrost", "", "" };

	(void)arg;
	return vk_copy_to(call, call->arg[1], &info, sizeof(info));
}

static int64_t capabilities(struct vk_call *call, void *arg)
{
	(void)arg;
	return copy_text(call, "hvm-3.0-x86_64", sizeof(xen_capabilities_info_t));
}

static int64_t changeset(struct vk_call *call, void *arg)
{
	(void)arg;
	return copy_text(call, "vifrost " VIFROST_VERSION, sizeof(xen_changeset_info_t));
}

static int64_t platform_parameters(struct vk_call *call, void *arg)
{
	static const struct xen_platform_parameters parameters = { 0 };

	(void)arg;
	return vk_copy_to(call, call->arg[1], &parameters, sizeof(parameters));
}

static int64_t get_features(struct vk_call *call, void *arg)
{
	struct xen_feature_info *info = arg;

	(void)call;
	info->submap = info->submap_idx ? 0 : features;
	return 0;
}

static int64_t page_size(struct vk_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return VK_PAGE;
}

static int64_t guest_handle(struct vk_call *call, void *arg)
{
	(void)arg;
	return vk_copy_to(call, call->arg[1], call->dom->launch->uuid,
			  sizeof(call->dom->launch->uuid));
}

static const struct vk_op ops[] = {
	[XENVER_version] = { version, 0, false },
	[XENVER_extraversion] = { extraversion, 0, false },
	[XENVER_compile_info] = { compile_info, 0, false },
	[XENVER_capabilities] = { capabilities, 0, false },
	[XENVER_changeset] = { changeset, 0, false },
	[XENVER_platform_parameters] = { platform_parameters, 0, false },
	[XENVER_get_features] = { get_features, sizeof(struct xen_feature_info), true },
	[XENVER_pagesize] = { page_size, 0, false },
	[XENVER_guest_handle] = { guest_handle, 0, false },
};

int64_t vk_version_op(struct vk_call *call)
{
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[1]);
}
