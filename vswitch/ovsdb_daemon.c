/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose daemons. A system's own, at ovs_rundir(), is used as it runs and never started or ended by us.
 * Where there is none, ovsdb-server and ovs-vswitchd run in RUNDIR/ovs; a conf.db there says that they
 * are in use, so that they are started again whenever one is not there.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dirs.h>
#include <netlink-socket.h>
#include <odp-netlink.h>
#include <sha1.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/unixsock.h"
#include "vswitch/ovs.h"
#include "vswitch/service.h"

#define DB_CHILD     "ovs/ovsdb-server"
#define SWITCH_CHILD "ovs/ovs-vswitchd"
#define START_MS     5000
#define STOP_MS	     3000
#define PRIORITY     (-10) /* as a system's own have it: packets wait for them */

void ovs_own_path(const struct ovs *ovs, char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%.4000s/ovs%s%s", ovs->rundir, name[0] ? "/" : "", name);
}

static bool answers(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%.4000s/db.sock", dir);
	fd = unixsock_connect(path, SOCK_STREAM);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* In PATH, or where Debian keeps what is not for people. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	if (service_find_program(name, path))
		return true;
	snprintf(path, PATH_MAX, "/usr/lib/openvswitch-switch/%.64s", name);
	if (access(path, X_OK) == 0)
		return true;
	snprintf(path, PATH_MAX, "/usr/lib/openvswitch-switch-dpdk/%.64s", name);
	return access(path, X_OK) == 0;
}

/*
 * The one with DPDK, where it is installed: as long as nobody asks for that, it is like the other, and once
 * somebody does it need not be ended.
 */
const char *ovs_switch_program(void)
{
	static const char name[] = "ovs-vswitchd-dpdk";
	char path[PATH_MAX];

	return find_program(name, path) ? name : "ovs-vswitchd";
}

static void schema_path(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.4000s/vswitch.ovsschema", ovs_pkgdatadir());
}

unsigned int vs_ovs_lacking(const char *rundir, unsigned int lacks)
{
	char own[PATH_MAX], schema[PATH_MAX], path[PATH_MAX];
	unsigned int out = 0;
	int family = 0;

	snprintf(own, sizeof(own), "%.4000s/ovs/conf.db", rundir);
	schema_path(schema);
	if (lacks & VS_LACKS_OVS && access(own, F_OK) < 0 && !answers(ovs_rundir()) &&
	    (access(schema, R_OK) < 0 || !find_program("ovsdb-server", path) ||
	     !find_program(ovs_switch_program(), path)))
		out |= VS_LACKS_OVS;
	/* Loads the module where there is one. */
	if (lacks & VS_LACKS_OVS_MODULE &&
	    nl_lookup_genl_family(OVS_DATAPATH_FAMILY, &family) == ENOENT)
		out |= VS_LACKS_OVS_MODULE;
	return out;
}

static int start_one(const struct ovs *ovs, const char *name, const char *program,
		     const char *const *args, char *why)
{
	char dir[PATH_MAX], path[PATH_MAX], rundir[PATH_MAX + 16], logdir[PATH_MAX + 16],
		dbdir[PATH_MAX + 16];
	const char *env[] = { rundir, logdir, dbdir, NULL };
	const char *argv[12] = { path };
	struct child_spec spec = {
		.rundir = ovs->rundir, .name = name, .argv = argv, .env = env, .priority = PRIORITY
	};
	int rc = -ENOENT;

	ovs_own_path(ovs, dir, "");
	snprintf(rundir, sizeof(rundir), "OVS_RUNDIR=%s", dir);
	snprintf(logdir, sizeof(logdir), "OVS_LOGDIR=%s", dir);
	snprintf(dbdir, sizeof(dbdir), "OVS_DBDIR=%s", dir);
	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	if (find_program(program, path))
		rc = child_start(&spec, NULL);
	if (rc == -ENOENT)
		return ovs_fail(rc, why, "%s is not installed: apt install openvswitch-switch",
				program);
	if (rc && rc != -EALREADY)
		return ovs_fail(rc, why, "cannot start %s: %s", program, strerror(-rc));
	return 0;
}

static int start_db(const struct ovs *ovs, char *why)
{
	char db[PATH_MAX], dir[PATH_MAX], remote[PATH_MAX + 32], ctl[PATH_MAX + 32],
		pid[PATH_MAX + 32];
	const char *const args[] = { db, remote, ctl, pid, "-vsyslog:off", "-vconsole:warn", NULL };
	uint64_t end = clock_ms() + START_MS;
	int rc;

	ovs_own_path(ovs, dir, "");
	if (!child_find(ovs->rundir, DB_CHILD, NULL) && answers(dir))
		return 0;
	ovs_own_path(ovs, db, "conf.db");
	snprintf(remote, sizeof(remote), "--remote=punix:%s/db.sock", dir);
	snprintf(ctl, sizeof(ctl), "--unixctl=%s/ovsdb-server.ctl", dir);
	snprintf(pid, sizeof(pid), "--pidfile=%s/ovsdb-server.pid", dir);
	rc = start_one(ovs, DB_CHILD, "ovsdb-server", args, why);
	while (!rc && !answers(dir)) {
		if (clock_ms() > end || child_find(ovs->rundir, DB_CHILD, NULL))
			return ovs_fail(-EIO, why,
					"ovsdb-server does not come up: see %.80s/ovs/*.log",
					ovs->rundir);
		usleep(2000);
	}
	return rc;
}

static int start_switch(struct ovs *ovs, char *why)
{
	bool runs = !child_find(ovs->rundir, SWITCH_CHILD, NULL);
	char dir[PATH_MAX], db[PATH_MAX + 32], ctl[PATH_MAX + 32], pid[PATH_MAX + 32];
	const char *const args[] = { db, ctl, pid, "-vsyslog:off", "-vconsole:warn", NULL };

	ovs_own_path(ovs, dir, "");
	snprintf(db, sizeof(db), "unix:%s/db.sock", dir);
	snprintf(ctl, sizeof(ctl), "--unixctl=%s/ovs-vswitchd.ctl", dir);
	snprintf(pid, sizeof(pid), "--pidfile=%s/ovs-vswitchd.pid", dir);
	ovs->is_fresh |= !runs;
	return start_one(ovs, SWITCH_CHILD, ovs_switch_program(), args, why);
}

static bool is_ours(const struct ovs *ovs)
{
	char own[PATH_MAX];

	ovs_own_path(ovs, own, "");
	return !strcmp(ovs->dir, own);
}

void ovs_daemons_unwatch(struct ovs *ovs)
{
	for (size_t i = 0; i < sizeof(ovs->watched) / sizeof(ovs->watched[0]); i++) {
		if (ovs->watched[i] > 0)
			close(ovs->watched[i]);
		ovs->watched[i] = 0;
	}
}

static void watch(struct ovs *ovs)
{
	ovs_daemons_unwatch(ovs);
	ovs->watched[0] = child_open(ovs->rundir, DB_CHILD);
	ovs->watched[1] = child_open(ovs->rundir, SWITCH_CHILD);
}

bool ovs_daemons_run(struct ovs *ovs)
{
	struct pollfd p;

	if (!ovs->dir[0])
		return false;
	for (size_t i = 0; is_ours(ovs) && i < sizeof(ovs->watched) / sizeof(ovs->watched[0]);
	     i++) {
		p = (struct pollfd){ .fd = ovs->watched[i], .events = POLLIN };
		if (p.fd <= 0 || poll(&p, 1, 0) != 0)
			return false;
	}
	return true;
}

void ovs_daemon_hangs(struct ovs *ovs, bool is_db)
{
	if (!is_ours(ovs))
		return;
	log_err("%s, our own, does not answer: ended", is_db ? "ovsdb-server" : "ovs-vswitchd");
	child_stop(ovs->rundir, is_db ? DB_CHILD : SWITCH_CHILD, 0);
}

bool ovs_daemons_ended(const struct ovs *ovs)
{
	return is_ours(ovs) && (child_find(ovs->rundir, DB_CHILD, NULL) ||
				child_find(ovs->rundir, SWITCH_CHILD, NULL));
}

/* A database file is a log of records, a line each; the first is the schema. See ovsdb(5). */
static int write_record(int fd, const char *record)
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	size_t size = strlen(record);
	char header[80];
	int n, rc;

	sha1_bytes(record, (uint32_t)size, digest);
	n = snprintf(header, sizeof(header), "OVSDB JSON %zu " SHA1_FMT "\n", size,
		     SHA1_ARGS(digest));
	rc = file_write_all(fd, header, (size_t)n);
	return rc ? rc : file_write_all(fd, record, size);
}

static int write_db(const char *path, const char *schema)
{
	/* Guests leave checksums and segments to the host, here to ovs-vswitchd: it reads this once. */
	static const char config[] =
		"{\"Open_vSwitch\":{\"7666726f-7374-4000-8000-000000000001\":"
		"{\"other_config\":[\"map\",[[\"userspace-tso-enable\",\"true\"]]]}}}\n";
	char temporary[PATH_MAX + 8];
	int fd, rc;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	rc = write_record(fd, schema);
	if (!rc)
		rc = write_record(fd, config);
	close(fd);
	if (!rc && rename(temporary, path) < 0)
		rc = -errno;
	return rc;
}

static int make_db(const char *path, char *why)
{
	char place[PATH_MAX], *text, *record = NULL;
	json_t *schema;
	int rc = -ENOMEM;

	schema_path(place);
	schema = json_load_file(place, 0, NULL);
	if (!schema)
		return ovs_fail(-ENOENT, why, "%.60s is not there: apt install openvswitch-switch",
				place);
	text = json_dumps(schema, JSON_COMPACT);
	if (text && asprintf(&record, "%s\n", text) >= 0)
		rc = write_db(path, record);
	free(record);
	free(text);
	json_decref(schema);
	return rc ? ovs_fail(rc, why, "cannot write %.60s: %s", path, strerror(-rc)) : 0;
}

static int start_own(struct ovs *ovs, char *why)
{
	char path[PATH_MAX];
	int rc = 0;

	ovs_own_path(ovs, path, "");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return ovs_fail(-errno, why, "cannot make %.60s: %s", path, strerror(errno));
	ovs_own_path(ovs, path, "conf.db");
	if (access(path, F_OK) < 0)
		rc = make_db(path, why);
	if (!rc)
		rc = start_db(ovs, why);
	if (!rc)
		rc = start_switch(ovs, why);
	return rc;
}

int ovs_daemons_find(struct ovs *ovs, bool start, char *why)
{
	char own[PATH_MAX];
	int rc;

	ovs_own_path(ovs, own, "conf.db");
	if (access(own, F_OK) < 0 && answers(ovs_rundir())) {
		snprintf(ovs->dir, sizeof(ovs->dir), "%s", ovs_rundir());
		return 0;
	}
	if (!start && access(own, F_OK) < 0)
		return -ENOENT;
	rc = start_own(ovs, why);
	if (rc)
		return rc;
	ovs_own_path(ovs, ovs->dir, "");
	watch(ovs);
	return 0;
}

/* The database goes last: as long as it is there, ours are the ones in use. */
int ovs_daemons_stop(struct ovs *ovs, char *why)
{
	static const char *const left[] = {
		".conf.db.~lock~",  "ovs-vswitchd.ctl", "ovs-vswitchd.pid",
		"ovs-vswitchd.log", "ovsdb-server.ctl", "ovsdb-server.pid",
		"ovsdb-server.log", "db.sock",		"conf.db",
	};
	char path[PATH_MAX], own[PATH_MAX];
	int rc;

	ovs_own_path(ovs, own, "");
	if (strcmp(ovs->dir, own) != 0)
		return 0;
	rc = child_stop(ovs->rundir, SWITCH_CHILD, STOP_MS);
	if (!rc)
		rc = child_stop(ovs->rundir, DB_CHILD, STOP_MS);
	if (rc)
		return ovs_fail(rc, why, "cannot end Open vSwitch's daemons: %s", strerror(-rc));
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		ovs_own_path(ovs, path, left[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			return ovs_fail(-errno, why, "cannot remove %.60s: %s", path,
					strerror(errno));
	}
	rmdir(own);
	ovs_daemons_unwatch(ovs);
	ovs->dir[0] = '\0';
	return 0;
}
