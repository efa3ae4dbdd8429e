/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that a domain is saved to: a head, the domain's config as JSON, then its state as its runner
 * writes it, hv/kvm/image.h. Host byte order, x86-64. A file may be anybody's: the head and config are
 * checked here, the state by the runner that takes it.
 */
#ifndef HV_TOOL_SAVED_H
#define HV_TOOL_SAVED_H

#include <stdint.h>

#include <jansson.h>

#define SAVED_MAGIC	 "VIFROSAV"
#define SAVED_VERSION	 1u
#define SAVED_CONFIG_MAX (1u << 20)

struct saved_head {
	char magic[8];
	uint32_t version;
	uint32_t config_size; /* bytes of JSON that follow, 1 to SAVED_CONFIG_MAX */
};

/* Return: 0 or -errno, -E2BIG: @config is over SAVED_CONFIG_MAX. */
int saved_write(int fd, const json_t *config);
/**
 * saved_read() - Read head and config; @fd stands at the state then
 * @config_out:	An object, the caller's
 * @why_out:	On error, a static text
 * Return: 0; -EPROTO: no such file, or of another version; -EINVAL: damaged; -ENODATA: cut off; -errno.
 */
int saved_read(int fd, json_t **config_out, const char **why_out);

#endif
