/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack's view of the hypervisor, filled by the engine. */
#include "hv/tool_host.h"

#include <errno.h>
#include <string.h>
#include <xen/sched.h>

int tool_host_restore(struct tool_host *h)
{
	/* engine_restore_done() has introduced them. */
	(void)h;
	return 0;
}

bool tool_host_await(struct tool_host *h, const char *type, void (*ready)(void *arg, int rc),
		     void *arg)
{
	return engine_await(h->engine, type, ready, arg);
}

const char *tool_host_type(struct tool_host *h, unsigned int nr, char why[ENGINE_WHY])
{
	return engine_type(h->engine, nr, why);
}

int tool_host_create(struct tool_host *h, const struct engine_config *config, uint16_t *domid_out,
		     char why[ENGINE_WHY])
{
	return engine_domain_create(h->engine, config, domid_out, why);
}

int tool_host_start(struct tool_host *h, uint16_t domid, const struct engine_config *config,
		    bool paused, char why[ENGINE_WHY])
{
	return engine_domain_start(h->engine, domid, config, paused, why);
}

void tool_host_destroy(struct tool_host *h, uint16_t domid)
{
	engine_domain_destroy(h->engine, domid);
}

int tool_host_pause(struct tool_host *h, uint16_t domid, bool paused, engine_done *done, void *arg)
{
	return paused ? engine_pause(h->engine, domid, done, arg)
		      : engine_unpause(h->engine, domid, done, arg);
}

int tool_host_shutdown(struct tool_host *h, uint16_t domid, unsigned int reason,
		       unsigned int grace_ms)
{
	return engine_shutdown(h->engine, domid, reason == SHUTDOWN_reboot, grace_ms);
}

int tool_host_set_cpus(struct tool_host *h, uint16_t domid, const cpu_set_t *cpus,
		       const cpu_set_t *vcpu_cpus, unsigned int nr)
{
	return engine_set_cpus(h->engine, domid, cpus, vcpu_cpus, nr);
}

int tool_host_vcpu(struct tool_host *h, uint16_t domid, unsigned int vcpu, struct engine_vcpu *out)
{
	return engine_vcpu(h->engine, domid, vcpu, out);
}

int tool_host_ask(struct tool_host *h, uint16_t domid, const struct engine_question *q)
{
	return engine_ask(h->engine, domid, q);
}

unsigned int tool_host_copied(struct tool_host *h, uint16_t domid,
			      struct engine_round rounds[ENGINE_MAX_ROUNDS])
{
	return engine_copied(h->engine, domid, rounds);
}

int tool_host_sched(struct tool_host *h, uint16_t domid, unsigned int weight, unsigned int cap)
{
	return engine_sched(h->engine, domid, weight, cap);
}

int tool_host_info(struct tool_host *h, uint16_t domid, struct tool_host_info *info)
{
	struct engine_info e;
	int rc = engine_info(h->engine, domid, &e);

	if (rc < 0)
		return rc;
	*info = (struct tool_host_info){
		.state = e.state == ENGINE_STOPPED   ? TOOL_HOST_STOPPED
			 : e.state == ENGINE_RUNNING ? TOOL_HOST_RUNNING
						     : TOOL_HOST_PAUSED,
		.reason = e.reason,
		.created = e.state == ENGINE_CREATED,
		.generation = core_domain_generation(h->core, domid),
		.cpu_ns = e.cpu_ns,
		.pid = e.pid,
		.memory_mib = e.memory_mib,
		.own_kernel = e.own_kernel,
		.starting = e.starting,
	};
	return 0;
}

uint16_t tool_host_next(struct tool_host *h, uint16_t domid)
{
	return engine_next(h->engine, domid);
}

int tool_host_console(struct tool_host *h, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX])
{
	return engine_console(h->engine, domid, tty, log);
}

int tool_host_screen(struct tool_host *h, uint16_t domid, char address[64], unsigned int *port_out)
{
	return engine_screen(h->engine, domid, address, port_out);
}

int tool_host_change_medium(struct tool_host *h, uint16_t domid, const char *vdev, const char *path,
			    const char *format, void (*done)(void *arg, const char *error),
			    void *arg, char why[ENGINE_WHY])
{
	return engine_change_medium(h->engine, domid, vdev, path, format, done, arg, why);
}

int tool_host_nic_attach(struct tool_host *h, uint16_t domid, const json_t *vif,
			 void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY])
{
	return engine_nic_attach(h->engine, domid, vif, done, arg, why);
}

int tool_host_nic_detach(struct tool_host *h, uint16_t domid, unsigned int devid,
			 void (*done)(void *arg, const char *error), void *arg)
{
	return engine_nic_detach(h->engine, domid, devid, done, arg);
}

int tool_host_disk_attach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY])
{
	return engine_disk_attach(h->engine, domid, disk, done, arg, why);
}

int tool_host_disk_detach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY])
{
	return engine_disk_detach(h->engine, domid, disk, done, arg, why);
}

void tool_host_nic_cut(struct tool_host *h, uint16_t domid, unsigned int devid)
{
	engine_nic_cut(h->engine, domid, devid);
}
