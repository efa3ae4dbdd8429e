/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "policy/hotplug.h"

int main(int argc, char **argv)
{
	log_init("vifrost-hotplug", LOG_LEVEL_NOTICE);
	return hotplug_run(argc, argv);
}
