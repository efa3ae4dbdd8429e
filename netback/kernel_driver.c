/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/kernel_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "base/parse.h"

#define BUS	     "/bus/xen-backend"
#define DRIVER	     "vif"
#define MAX_QUEUES   "/module/xen_netback/parameters/max_queues"
#define UEVENT_GROUP 1 /* the kernel's own, not udev's */

bool nb_kernel_loaded(const char *sysfs)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" BUS "/drivers/" DRIVER, sysfs);
	return !access(path, F_OK);
}

/* The name that Linux's xenbus gives a backend device. */
static void device_name(uint16_t domid, uint32_t devid, char name[32])
{
	snprintf(name, 32, "vif-%u-%u", domid, devid);
}

unsigned int nb_kernel_max_queues(const char *sysfs)
{
	char path[PATH_MAX], text[16];
	uint32_t value = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s" MAX_QUEUES, sysfs);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u32(text, UINT32_MAX, &value) ? 0 : value;
}

bool nb_kernel_bound(const char *sysfs, uint16_t domid, uint32_t devid)
{
	char path[PATH_MAX], target[PATH_MAX], name[32];
	const char *driver;
	ssize_t len;

	device_name(domid, devid, name);
	snprintf(path, sizeof(path), "%s" BUS "/devices/%s/driver", sysfs, name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	driver = strrchr(target, '/');
	return !strcmp(driver ? driver + 1 : target, DRIVER);
}

int nb_kernel_bind(const char *sysfs, uint16_t domid, uint32_t devid, bool bind)
{
	char path[PATH_MAX], name[32];
	int fd, rc = 0;

	device_name(domid, devid, name);
	snprintf(path, sizeof(path), "%s" BUS "/drivers/" DRIVER "/%s", sysfs,
		 bind ? "bind" : "unbind");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, name, strlen(name)) < 0)
		rc = -errno;
	close(fd);
	/* The kernel may have done it of its own accord meanwhile. */
	if (nb_kernel_bound(sysfs, domid, devid) == bind)
		return 0;
	return rc ? rc : -EBUSY;
}

int nb_kernel_watch(int *fd_out)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int rc = 0;

	*fd_out = -1;
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		rc = -errno;
	if (rc)
		close(fd);
	else
		*fd_out = fd;
	return rc;
}

enum nb_kernel_event nb_kernel_parse(const char *text, uint16_t *domid, uint32_t *devid)
{
	static const char driver[] = "@" BUS "/drivers/" DRIVER;
	static const char device[] = "bind@/devices/vif-"; /* and unbind */
	const char *path = strchr(text, '@'), *p;
	unsigned int dom, dev;
	char end;

	if (!path)
		return NB_KERNEL_OTHER;
	if (!strcmp(path, driver))
		return NB_KERNEL_DRIVER;
	p = strstr(text, device);
	if (!p || p > path || sscanf(p + strlen(device), "%u-%u%c", &dom, &dev, &end) != 2 ||
	    dom > UINT16_MAX)
		return NB_KERNEL_OTHER;
	*domid = (uint16_t)dom;
	*devid = dev;
	return NB_KERNEL_DEVICE;
}

enum nb_kernel_event nb_kernel_next(int fd, uint16_t *domid, uint32_t *devid)
{
	char text[2048];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n < 0 && errno == ENOBUFS)
		return NB_KERNEL_DRIVER;
	if (n <= 0)
		return NB_KERNEL_NONE;
	text[n] = '\0';
	return nb_kernel_parse(text, domid, devid);
}
