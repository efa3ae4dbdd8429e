/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/card.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Which driver has it is the usual mistake. */
int card_check(const char *pci, char *why, size_t size)
{
	static const char *const drivers[] = { "vfio-pci", "uio_pci_generic", "igb_uio" };
	char path[64], target[PATH_MAX];
	const char *name = "";
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.20s", pci);
	if (access(path, F_OK)) {
		snprintf(why, size, "%.20s: no such PCI device: see 'lspci -D'", pci);
		return -ENODEV;
	}
	strcat(path, "/driver");
	len = readlink(path, target, sizeof(target) - 1);
	if (len > 0) {
		target[len] = '\0';
		name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	}
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(name, drivers[i]))
			return 0;
	snprintf(
		why, size,
		"%.20s belongs to %s%.30s: give it to DPDK by 'modprobe vfio-pci; dpdk-devbind.py -b "
		"vfio-pci %.20s', or name it as a link",
		pci, name[0] ? "the kernel's driver " : "no driver", name, pci);
	return -EBUSY;
}
