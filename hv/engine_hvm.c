/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The row "hvm" of the engines' table: one QEMU process a domain, told what to do by QMP. It survives
 * vifrost-hvd: its sockets are the keeper's. What it says is the guest's saying: it can end or spoil
 * that domain and no other.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "hv/engine_priv.h"
#include "hv/hvm/hvm_start.h"
#include "hv/hvm/qmp.h"
#include "hv/kvm/probe.h"

#define HVM_LAUNCH_MAGIC 0x314d5648u
#define HVM_CONFIG_MAX	 65536
#define HVM_START_MS	 20000 /* a busy machine, and a ramdisk of a GiB */
#define HVM_OVERHEAD_MIB 512   /* QEMU itself, its translations, the screen */
#define HVM_NR_PIDS	 256   /* threads: vCPUs and those of disks */
#define HVM_LOG_LINE	 256
#define HVM_FDSET_FIRST	 1000 /* of media; those of the start have their descriptor's number */

/* Kept beside the record; QEMU does not have it. */
struct hvm_launch {
	uint32_t magic;
	uint32_t has_reason, reason; /* as QEMU said */
	uint32_t next_fdset;
	uint64_t kill_at_ms; /* CLOCK_MONOTONIC; 0: not asked to end */
	uint32_t vnc_port;   /* 0: none */
	char vnc_address[64];
	char tty[64];
	char config[HVM_CONFIG_MAX];
};

struct hvm_domain {
	struct engine_domain *d;
	struct qmp *qmp;
	struct loop_fd log_watcher;
	struct loop_timer grace;
	char line[HVM_LOG_LINE];
	size_t nr_line;
	char first[HVM_LOG_LINE];   /* line that QEMU printed */
	char refused[HVM_LOG_LINE]; /* why a call at the start has failed */
	struct log_limit limit;
};

/* KVM is taken where it is known to run any kernel; everything else QEMU's translator does anywhere. */
static bool has_kvm(void)
{
	static int known = 1;
	char why[KVM_PROBE_WHY];

	if (known > 0)
		known = kvm_probe("/dev/kvm", why);
	return known == 0;
}

static int build_args(const json_t *config, const char *tty, uint16_t domid, bool paused,
		      struct hvm_args *args, char why[ENGINE_WHY])
{
	struct hvm_host host = { has_kvm(), domid, tty, hvm_is_block_device };

	return hvm_args_build(config, &host, paused, args, why);
}

static int check(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	struct hvm_args args;
	int rc;

	(void)e;
	/* The longest number, so that the names of the TAPs are checked for good. */
	rc = build_args(c->config, "/dev/pts/0", 0, false, &args, why);
	for (unsigned int i = 0; !rc && i < args.nr_files; i++) {
		int fd = hvm_open_file(args.files[i].path, args.files[i].writable, why);

		if (fd >= 0)
			close(fd);
		else
			rc = fd;
	}
	if (!rc && access(args.program, X_OK) < 0) {
		rc = -errno;
		snprintf(why, ENGINE_WHY, "%.120s: %s; install the package qemu-system-x86",
			 args.program, strerror(-rc));
	}
	hvm_args_fini(&args);
	/* Not one that would be taken for "there is no such engine". */
	return rc == -EOPNOTSUPP ? -EINVAL : rc;
}

static int prepare(struct engine_domain *d, const struct engine_config *c, const char *tty)
{
	struct hvm_launch *l = d->launch;
	char *text = json_dumps(c->config, JSON_COMPACT);
	int rc = 0;

	if (!text)
		return -ENOMEM;
	if (strlen(text) >= sizeof(l->config))
		rc = -E2BIG;
	l->magic = HVM_LAUNCH_MAGIC;
	l->next_fdset = HVM_FDSET_FIRST;
	snprintf(l->tty, sizeof(l->tty), "%.63s", tty);
	if (!rc)
		memcpy(l->config, text, strlen(text) + 1);
	free(text);
	return rc;
}

static void take_log_line(struct hvm_domain *h)
{
	struct engine_domain *d = h->d;
	const char *text = h->line, *colon;

	h->line[h->nr_line] = '\0';
	h->nr_line = 0;
	/* "qemu-system-x86_64: -drive x: why" */
	colon = strstr(text, ": ");
	if (colon && !strncmp(text, "qemu", 4))
		text = colon + 2;
	for (char *p = h->line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (!*text)
		return;
	if (!h->first[0])
		snprintf(h->first, sizeof(h->first), "%s", text);
	log_limited(&h->limit, "domain %u (%s): QEMU: %s", d->domid, d->record->name, text);
}

static void log_ready(void *arg, uint32_t events)
{
	struct hvm_domain *h = arg;
	char buf[4096];
	ssize_t n = read(h->d->fds[PART_LOG], buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n' && h->nr_line < sizeof(h->line) - 1)
			h->line[h->nr_line++] = buf[i];
		if (buf[i] == '\n')
			take_log_line(h);
	}
	if (n == 0 || (n < 0 && (events & (EPOLLHUP | EPOLLERR))))
		loop_fd_del(&h->log_watcher);
}

static void take_shutdown(struct engine_domain *d, const json_t *data)
{
	static const struct {
		const char *name;
		unsigned int reason;
	} reasons[] = {
		{ "guest-shutdown", SHUTDOWN_poweroff }, { "guest-reset", SHUTDOWN_reboot },
		{ "host-ui", SHUTDOWN_poweroff },	 { "host-signal", SHUTDOWN_poweroff },
		{ "subsystem-reset", SHUTDOWN_reboot },	 { "guest-panic", SHUTDOWN_crash },
	};
	struct hvm_launch *l = d->launch;
	const char *name = json_string_value(json_object_get(data, "reason"));

	for (size_t i = 0; name && i < sizeof(reasons) / sizeof(*reasons); i++)
		if (!strcmp(reasons[i].name, name)) {
			l->reason = reasons[i].reason;
			l->has_reason = 1;
		}
}

static void qmp_event(void *arg, const char *name, const json_t *data)
{
	struct hvm_domain *h = arg;
	struct hvm_launch *l = h->d->launch;

	/* A panic's SHUTDOWN follows; nothing that comes after it makes it undone. */
	if (!strcmp(name, "GUEST_PANICKED")) {
		log_notice("domain %u (%s): its kernel has panicked", h->d->domid,
			   h->d->record->name);
		l->reason = SHUTDOWN_crash;
		l->has_reason = 1;
	} else if (!strcmp(name, "SHUTDOWN") && !l->has_reason) {
		take_shutdown(h->d, data);
	}
}

static void qmp_closed(void *arg, const char *why)
{
	struct hvm_domain *h = arg;

	if (why)
		log_warning("domain %u (%s): %s: it is ended", h->d->domid, h->d->record->name,
			    why);
	/* Nobody could end it any more. Its death is then seen from the loop. */
	engine_signal(h->d, why ? SIGKILL : 0);
}

static void grace_over(void *arg)
{
	struct hvm_domain *h = arg;

	log_notice("domain %u (%s) has not shut down in time: it is ended", h->d->domid,
		   h->d->record->name);
	engine_signal(h->d, SIGKILL);
}

static int set_grace(struct hvm_domain *h)
{
	const struct hvm_launch *l = h->d->launch;
	uint64_t now = clock_ms();

	return l->kill_at_ms
		       ? loop_timer_set(&h->grace, l->kill_at_ms > now ? l->kill_at_ms - now : 1, 0)
		       : 0;
}

static int listen_to(struct engine_domain *d, bool restored)
{
	struct loop *loop = d->engine->params.loop;
	struct hvm_domain *h = calloc(1, sizeof(*h));
	struct qmp_hooks hooks = { qmp_event, qmp_closed, h };
	int rc;

	if (!h)
		return -ENOMEM;
	h->d = d;
	d->own = h;
	rc = loop_timer_add(loop, &h->grace, grace_over, h);
	if (!rc)
		rc = loop_fd_add(loop, &h->log_watcher, d->fds[PART_LOG], EPOLLIN, log_ready, h);
	if (!rc)
		rc = qmp_create(loop, d->fds[PART_CONTROL], restored, &hooks, &h->qmp);
	return rc ? rc : set_grace(h);
}

static void forget(struct engine_domain *d)
{
	struct hvm_domain *h = d->own;

	if (!h)
		return;
	qmp_destroy(h->qmp);
	loop_fd_del(&h->log_watcher);
	loop_timer_del(&h->grace);
	free(h);
	d->own = NULL;
}

/* Of a call that must succeed for the domain to start. */
static void note_failure(void *arg, const json_t *result, const char *error)
{
	struct hvm_domain *h = arg;

	(void)result;
	if (error && !h->refused[0])
		snprintf(h->refused, sizeof(h->refused), "%s", error);
}

/* The password goes by QMP, so that no list of processes shows it. */
static int start_vnc(struct hvm_domain *h, const struct hvm_vnc *vnc, char why[ENGINE_WHY])
{
	struct hvm_launch *l = h->d->launch;
	unsigned int display;
	int fd, rc = 0;

	if (!vnc->on)
		return 0;
	fd = hvm_listen_vnc(vnc, &display, why);
	if (fd < 0)
		return fd;
	if (vnc->password)
		rc = qmp_call(h->qmp, "set_password",
			      json_pack("{s:s, s:s}", "protocol", "vnc", "password", vnc->password),
			      -1, note_failure, h);
	if (!rc)
		rc = qmp_call(h->qmp, "getfd", json_pack("{s:s}", "fdname", "vnc"), fd,
			      note_failure, h);
	if (!rc)
		rc = qmp_call(h->qmp, "display-update",
			      json_pack("{s:s, s:[{s:s, s:s}]}", "type", "vnc", "addresses", "type",
					"fd", "str", "vnc"),
			      -1, note_failure, h);
	close(fd);
	snprintf(l->vnc_address, sizeof(l->vnc_address), "%s", vnc->address);
	l->vnc_port = 5900 + display;
	return rc;
}

static void vhost_path(const struct engine_domain *d, unsigned int devid, char path[PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "%s/vif%u.%u.sock", RUNDIR_VHOST, d->domid, devid);
	rundir_file(path, d->engine->rundir, name);
}

/* Without KVM, QEMU 7.2 dies of a vhost-user card that has MSI-X. */
static json_t *plain_virtio(json_t *device)
{
	if (device && !has_kvm())
		json_object_set_new(device, "vectors", json_integer(0));
	return device;
}

/*
 * QEMU stands still until it has connected to vifrost-netback, which listens once the policy has placed the vif:
 * nobody waits for the answers. Should it never be, the domain does not run, and "vxl network-list" says why.
 */
static int plug_vhost(struct hvm_domain *h, const struct hvm_nic *nic)
{
	char socket_id[32], net[32], id[32], path[PATH_MAX];
	int rc;

	vhost_path(h->d, nic->devid, path);
	snprintf(socket_id, sizeof(socket_id), "vhost%u", nic->devid);
	snprintf(net, sizeof(net), "net%u", nic->devid);
	snprintf(id, sizeof(id), "nic%u", nic->devid);
	rc = qmp_call(h->qmp, "chardev-add",
		      json_pack("{s:s, s:{s:s, s:{s:{s:s, s:{s:s}}, s:b, s:i}}}", "id", socket_id,
				"backend", "type", "socket", "data", "addr", "type", "unix", "data",
				"path", path, "server", 0, "reconnect", 1),
		      -1, NULL, NULL);
	if (!rc)
		rc = qmp_call(h->qmp, "netdev_add",
			      json_pack("{s:s, s:s, s:s}", "type", "vhost-user", "id", net,
					"chardev", socket_id),
			      -1, NULL, NULL);
	if (!rc)
		rc = qmp_call(
			h->qmp, "device_add",
			plain_virtio(json_pack("{s:s, s:s, s:s, s:s*, s:s}", "driver",
					       "virtio-net-pci", "id", id, "netdev", net, "mac",
					       nic->mac[0] ? nic->mac : NULL, "romfile", "")),
			-1, NULL, NULL);
	return rc;
}

static int plug_all(struct hvm_domain *h, const struct hvm_args *args, bool paused)
{
	int rc = 0;

	for (unsigned int i = 0; i < args->nr_nics && !rc; i++)
		if (args->nics[i].fd < 0)
			rc = plug_vhost(h, &args->nics[i]);
	return !rc && args->has_vhost && !paused ? qmp_call(h->qmp, "cont", NULL, -1, NULL, NULL)
						 : rc;
}

/* Answers come when all devices are made: until then QEMU may say on its stderr what it cannot do. */
static int settle(struct hvm_domain *h, char why[ENGINE_WHY])
{
	int rc = qmp_settle(h->qmp, h->d->fds[PART_FIRST], HVM_START_MS);

	log_ready(h, 0);
	if (!rc && !h->refused[0])
		return 0;
	if (!rc)
		snprintf(why, ENGINE_WHY, "QEMU: %.240s", h->refused);
	else if (h->first[0])
		snprintf(why, ENGINE_WHY, "QEMU: %.240s", h->first);
	else if (rc == -ETIMEDOUT)
		snprintf(why, ENGINE_WHY, "QEMU was not ready within %d s", HVM_START_MS / 1000);
	else
		snprintf(why, ENGINE_WHY, "QEMU died while starting, without a word");
	return rc ? rc : -EIO;
}

static int run(struct engine_domain *d, const struct hvm_args *args, const struct cgroup_join *join,
	       bool paused, char why[ENGINE_WHY])
{
	struct hvm_start s = { .args = args,
			       .join = join,
			       .cpus = d->record->has_cpus ? &d->record->cpus : NULL,
			       .uid = NS_UID_BASE(d->domid) };
	int rc = hvm_start(&s, why);

	if (rc < 0)
		return rc;
	d->fds[PART_CONTROL] = s.qmp_fd;
	d->fds[PART_LOG] = s.log_fd;
	d->fds[PART_FIRST] = s.pidfd;
	d->record->init_pid = s.pid;
	rc = listen_to(d, false);
	if (!rc)
		rc = start_vnc(d->own, &args->vnc, why);
	if (!rc)
		rc = settle(d->own, why);
	return rc ? rc : plug_all(d->own, args, paused);
}

static int start(struct engine_domain *d, const struct engine_config *c,
		 const struct cgroup_join *join, bool paused, char why[ENGINE_WHY])
{
	struct hvm_launch *l = d->launch;
	json_t *config = json_loads(l->config, 0, NULL);
	struct hvm_args args;
	int rc;

	(void)c;
	if (!config)
		return -ENOMEM;
	rc = build_args(config, l->tty, d->domid, paused, &args, why);
	if (!rc)
		rc = run(d, &args, join, paused, why);
	hvm_args_fini(&args);
	json_decref(config);
	return rc;
}

static int call(struct engine_domain *d, const char *command)
{
	struct hvm_domain *h = d->own;

	return h ? qmp_call(h->qmp, command, NULL, -1, NULL, NULL) : -ESRCH;
}

struct pausing {
	engine_done *done;
	void *arg;
};

static void pause_done(void *arg, const json_t *result, const char *error)
{
	struct pausing *p = arg;

	(void)result;
	if (p->done)
		p->done(p->arg, error ? -EIO : 0);
	free(p);
}

static int set_paused(struct engine_domain *d, bool paused, engine_done *done, void *done_arg)
{
	struct hvm_domain *h = d->own;
	struct pausing *p = h ? malloc(sizeof(*p)) : NULL;
	int rc;

	if (!p)
		return h ? -ENOMEM : -ESRCH;
	*p = (struct pausing){ done, done_arg };
	rc = qmp_call(h->qmp, paused ? "stop" : "cont", NULL, -1, pause_done, p);
	if (rc < 0)
		free(p);
	return rc < 0 ? rc : 1;
}

/* As the power button: what the guest makes of it is its own affair, for so long. */
static int shut_down(struct engine_domain *d, unsigned int grace_ms)
{
	struct hvm_launch *l = d->launch;
	int rc = call(d, "system_powerdown");

	l->kill_at_ms = clock_ms() + (grace_ms ? grace_ms : 1);
	return rc ? rc : set_grace(d->own);
}

static unsigned int end_reason(struct engine_domain *d)
{
	struct hvm_domain *h = d->own;
	const struct hvm_launch *l = d->launch;
	siginfo_t info = { 0 };

	/* It may have said why, and we not have heard it yet. */
	if (h)
		qmp_drain(h->qmp);
	if (h && h->log_watcher.loop)
		log_ready(h, 0);
	if (l->has_reason)
		return l->reason;
	if (waitid(P_PIDFD, (id_t)d->fds[PART_FIRST], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid)
		log_warning("domain %u (%s): QEMU %s %d", d->domid, d->record->name,
			    info.si_code == CLD_EXITED ? "ended with status"
						       : "was killed by signal",
			    info.si_status);
	else
		log_warning("domain %u (%s): QEMU died", d->domid, d->record->name);
	return SHUTDOWN_crash;
}

const struct engine_ops engine_hvm = {
	.type = "hvm",
	.launch_size = sizeof(struct hvm_launch),
	.needs = PART_BIT(PART_LAUNCH) | PART_BIT(PART_CONTROL) | PART_BIT(PART_LOG) |
		 PART_BIT(PART_FIRST),
	.nr_pids = HVM_NR_PIDS,
	.overhead_mib = HVM_OVERHEAD_MIB,
	.check = check,
	.prepare = prepare,
	.start = start,
	.pause = set_paused,
	.shutdown = shut_down,
	.end_reason = end_reason,
	.listen = listen_to,
	.forget = forget,
};

static struct engine_domain *find_hvm(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);

	return d && d->ops == &engine_hvm && d->own ? d : NULL;
}

int engine_screen(struct engine *e, uint16_t domid, char address[64], unsigned int *port_out)
{
	const struct engine_domain *d = find_hvm(e, domid);
	const struct hvm_launch *l = d ? d->launch : NULL;

	if (!l || !l->vnc_port)
		return -ENOENT;
	snprintf(address, 64, "%.63s", l->vnc_address);
	*port_out = l->vnc_port;
	return 0;
}

struct medium_change {
	void (*done)(void *arg, const char *error);
	void *arg;
};

static void medium_changed(void *arg, const json_t *result, const char *error)
{
	struct medium_change *m = arg;

	(void)result;
	m->done(m->arg, error);
	free(m);
}

/* QEMU opens the medium by a descriptor that it is given, and holds it as long as it needs it. */
static int insert_medium(struct hvm_domain *h, const char *id, const char *path, const char *format,
			 struct medium_change *m, char why[ENGINE_WHY])
{
	struct hvm_launch *l = h->d->launch;
	unsigned int set = l->next_fdset++;
	const char *driver = hvm_disk_driver(format);
	char name[32];
	int fd, rc;

	if (!driver) {
		snprintf(why, ENGINE_WHY, "format \"%.16s\": allowed: raw, qcow, qcow2, vhd, qed",
			 format);
		return -EINVAL;
	}
	fd = hvm_open_file(path, false, why);
	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "/dev/fdset/%u", set);
	rc = qmp_call(h->qmp, "add-fd", json_pack("{s:i}", "fdset-id", (int)set), fd, NULL, NULL);
	close(fd);
	if (!rc)
		rc = qmp_call(h->qmp, "blockdev-change-medium",
			      json_pack("{s:s, s:s, s:s, s:s, s:b}", "id", id, "filename", name,
					"format", driver, "read-only-mode", "read-only", "force",
					1),
			      -1, medium_changed, m);
	/* Gone as soon as the drive does not use it; and QEMU does one after the other. */
	if (!rc)
		qmp_call(h->qmp, "remove-fd", json_pack("{s:i}", "fdset-id", (int)set), -1, NULL,
			 NULL);
	return rc;
}

int engine_change_medium(struct engine *e, uint16_t domid, const char *vdev, const char *path,
			 const char *format, void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY])
{
	struct engine_domain *d = find_hvm(e, domid);
	json_t *disk = json_pack("{s:s}", "vdev", vdev);
	struct medium_change *m = malloc(sizeof(*m));
	char id[32];
	int rc = disk && m ? 0 : -ENOMEM;

	why[0] = '\0';
	if (!rc && !d) {
		snprintf(why, ENGINE_WHY, "it is no running domain of type \"hvm\"");
		rc = -EINVAL;
	}
	if (!rc) {
		*m = (struct medium_change){ done, arg };
		hvm_disk_id(disk, id);
		rc = path ? insert_medium(d->own, id, path, format, m, why)
			  : qmp_call(((struct hvm_domain *)d->own)->qmp, "eject",
				     json_pack("{s:s, s:b}", "id", id, "force", 1), -1,
				     medium_changed, m);
	}
	if (rc && !why[0])
		snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
	json_decref(disk);
	if (rc)
		free(m);
	return rc;
}
