/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a pvh or pv domain needs of the host: /dev/kvm, images, memory; and what to do without. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/engine_kvm.h"

#define SHIM_PATTERN "/usr/lib/xen-*/boot/xen-shim"

static const struct {
	int error;
	const char *cure;
} device_cures[] = {
	{ ENOENT, "load kvm-amd or kvm-intel and turn virtualization on in the firmware" },
	{ ENODEV, "load kvm-amd or kvm-intel and turn virtualization on in the firmware" },
	{ EACCES, "let the user of vifrost-hvd read and write it" },
	{ EPERM, "let vifrost-hvd's control group have the device" },
};

static int open_device(char why[ENGINE_WHY])
{
	int fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC), rc = -errno;
	const char *cure = "see the kernel's log";

	if (fd >= 0)
		return fd;
	for (size_t i = 0; i < sizeof(device_cures) / sizeof(device_cures[0]); i++)
		if (device_cures[i].error == -rc)
			cure = device_cures[i].cure;
	snprintf(why, ENGINE_WHY,
		 KVM_DEVICE
		 ": %s: this host has no KVM for types pvh and pv; %s, or use type=\"ns\"",
		 strerror(-rc), cure);
	return rc;
}

static int open_image(const char *key, const char *path, char why[ENGINE_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "%s: %.160s: %s", key, path, strerror(-rc));
	} else if (!S_ISREG(st.st_mode) || !st.st_size) {
		rc = -EINVAL;
		snprintf(why, ENGINE_WHY, "%s: %.160s: %s", key, path,
			 st.st_size ? "not a file" : "the file is empty");
	}
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int kvm_find_shim(const char *named, char path[PATH_MAX], char why[ENGINE_WHY])
{
	glob_t found;
	int rc = -ENOENT;

	if (!named)
		named = getenv("VIFROST_XEN_SHIM");
	if (named) {
		snprintf(path, PATH_MAX, "%s", named);
		return 0;
	}
	if (!glob(SHIM_PATTERN, 0, NULL, &found)) {
		/* Sorted: the last is the newest. */
		snprintf(path, PATH_MAX, "%s", found.gl_pathv[found.gl_pathc - 1]);
		rc = 0;
		globfree(&found);
	}
	if (rc < 0)
		snprintf(why, ENGINE_WHY,
			 "type \"pv\" needs Xen's shim, and there is no " SHIM_PATTERN
			 ": install xen-utils-4.17, or use type=\"pvh\"");
	return rc;
}

void kvm_files_close(struct kvm_files *files)
{
	int *const all[] = { &files->device, &files->kernel, &files->modules[0], &files->modules[1],
			     &files->image };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

static int take_image(int fd, struct kvm_files *files, char why[ENGINE_WHY])
{
	int rc;

	files->image = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (files->image >= 0)
		return 0;
	rc = -errno;
	snprintf(why, ENGINE_WHY, "the saved state: %s", strerror(-rc));
	kvm_files_close(files);
	return rc;
}

int kvm_files_open(const struct engine_config *c, struct kvm_files *files, char why[ENGINE_WHY])
{
	bool pv = !strcmp(c->type, "pv");
	char shim[PATH_MAX];
	int rc, module = 0;

	*files = (struct kvm_files){ -1, -1, { -1, -1 }, -1 };
	rc = files->device = open_device(why);
	/* Its kernel is in its memory. */
	if (c->restore)
		return rc < 0 ? rc : take_image(c->image_fd, files, why);
	if (rc >= 0 && pv) {
		rc = kvm_find_shim(c->shim, shim, why);
		if (!rc)
			rc = files->kernel = open_image(c->shim ? "pvshim_path" : "xen-shim", shim,
							why);
	}
	if (rc >= 0 && c->kernel) {
		int *fd = pv ? &files->modules[module++] : &files->kernel;

		rc = *fd = open_image("kernel", c->kernel, why);
	}
	if (rc >= 0 && c->ramdisk)
		rc = files->modules[module] = open_image("ramdisk", c->ramdisk, why);
	if (rc < 0)
		kvm_files_close(files);
	return rc < 0 ? rc : 0;
}

int kvm_check_memory(unsigned int mib, uint64_t promised, char why[ENGINE_WHY])
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long available = 0;
	bool found = false;
	char line[128];

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "MemAvailable: %llu kB", &available) == 1;
	fclose(f);
	available /= 1024;
	available -= promised < available ? promised : available;
	if (!found || available >= mib)
		return 0;
	snprintf(why, ENGINE_WHY,
		 "memory: %u MiB are needed and the host has %llu MiB left: end other domains, or "
		 "lower memory= and maxmem=",
		 mib, available);
	return -ENOMEM;
}
