/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/tool_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hv/xlcfg.h"
#include "tests/util/scratch.h"

static struct fake_domain *fake(struct tool_host *h, uint16_t domid)
{
	return domid < FAKE_DOMAINS && h->engine->domains[domid].exists ? &h->engine->domains[domid]
									: NULL;
}

int tool_host_restore(struct tool_host *h)
{
	(void)h;
	return 0;
}

bool tool_host_await(struct tool_host *h, const char *type, void (*ready)(void *arg, int rc),
		     void *arg)
{
	(void)type;
	if (!h->engine->finding_out)
		return false;
	h->engine->ready = ready;
	h->engine->ready_arg = arg;
	return true;
}

const char *tool_host_type(struct tool_host *h, unsigned int nr, char why[ENGINE_WHY])
{
	static const char *const types[] = { "ns", "pvh", "hvm", NULL };

	(void)h;
	snprintf(why, ENGINE_WHY, "%s", nr == 2 ? "no QEMU: install it" : "");
	return types[nr];
}

int tool_host_create(struct tool_host *h, const struct engine_config *config, uint16_t *domid_out,
		     char why[ENGINE_WHY])
{
	struct engine *e = h->engine;
	bool pvh = !strcmp(config->type, "pvh");
	struct fake_domain *d;

	if (strcmp(config->type, "ns") && strcmp(config->type, "hvm") && !pvh) {
		snprintf(why, ENGINE_WHY, "no engine for type \"%s\"", config->type);
		return -EOPNOTSUPP;
	}
	if (e->fail_create) {
		snprintf(why, ENGINE_WHY, "made to fail");
		return e->fail_create;
	}
	e->last++;
	e->domains[e->last] = (struct fake_domain){ .exists = true, .cpus = config->cpus };
	d = &e->domains[e->last];
	d->info.generation = 1000u + e->last;
	d->info.own_kernel = pvh;
	d->info.created = true;
	d->restored = config->restore;
	if (pvh) {
		snprintf(d->cmdline, sizeof(d->cmdline), "%s", config->cmdline);
		snprintf(d->kernel, sizeof(d->kernel), "%s", config->kernel ? config->kernel : "");
		d->max_memory_mib = config->max_memory_mib;
		d->max_vcpus = config->max_vcpus;
	}
	*domid_out = e->last;
	return 0;
}

int tool_host_start(struct tool_host *h, uint16_t domid, const struct engine_config *config,
		    bool paused, char why[ENGINE_WHY])
{
	struct fake_domain *d = fake(h, domid);
	struct stat st;

	if (h->engine->fail_start) {
		snprintf(why, ENGINE_WHY, "made to fail");
		return h->engine->fail_start;
	}
	d->info.created = false;
	if (config->kernel_later && !stat(config->kernel, &st))
		d->kernel_size = (uint64_t)st.st_size;
	if (config->kernel_later)
		snprintf(d->cmdline, sizeof(d->cmdline), "%s", config->cmdline);
	d->info.state = paused ? TOOL_HOST_PAUSED : TOOL_HOST_RUNNING;
	return d->info.own_kernel;
}

void tool_host_destroy(struct tool_host *h, uint16_t domid)
{
	if (!fake(h, domid))
		return;
	h->engine->domains[domid].exists = false;
	xs_server_release(h->xenstore, domid);
}

int tool_host_pause(struct tool_host *h, uint16_t domid, bool paused, engine_done *done, void *arg)
{
	struct fake_domain *d = fake(h, domid);

	if (h->engine->fail_pause)
		return h->engine->fail_pause;
	if (d->info.state != (paused ? TOOL_HOST_RUNNING : TOOL_HOST_PAUSED))
		return -EINVAL;
	d->info.state = paused ? TOOL_HOST_PAUSED : TOOL_HOST_RUNNING;
	if (!h->engine->slow_pause)
		return 0;
	d->paused = done;
	d->paused_arg = arg;
	return 1;
}

int tool_host_shutdown(struct tool_host *h, uint16_t domid, unsigned int reason,
		       unsigned int grace_ms)
{
	struct fake_domain *d = fake(h, domid);

	(void)grace_ms;
	if (d->info.state != TOOL_HOST_RUNNING)
		return -EINVAL;
	d->shutdown_asked = true;
	d->info.reason = reason;
	return 0;
}

int tool_host_set_cpus(struct tool_host *h, uint16_t domid, const cpu_set_t *cpus,
		       const cpu_set_t *vcpu_cpus, unsigned int nr)
{
	struct fake_domain *d = fake(h, domid);

	d->cpus = *cpus;
	for (unsigned int i = 0; i < nr && i < 8; i++)
		d->vcpu_cpus[i] = vcpu_cpus[i];
	return 0;
}

int tool_host_vcpu(struct tool_host *h, uint16_t domid, unsigned int vcpu, struct engine_vcpu *out)
{
	if (!fake(h, domid)->info.own_kernel)
		return -EOPNOTSUPP;
	*out = (struct engine_vcpu){ .online = vcpu == 0,
				     .cpu = 1,
				     .running = vcpu == 0,
				     .cpu_ns = 5000000000ull * (vcpu + 1),
				     .exits = { .all = 10ull + vcpu, .hypercalls = 9 } };
	return 0;
}

int tool_host_ask(struct tool_host *h, uint16_t domid, const struct engine_question *q)
{
	if (h->engine->fail_ask)
		return h->engine->fail_ask;
	fake(h, domid)->asked = *q;
	return 0;
}

unsigned int tool_host_copied(struct tool_host *h, uint16_t domid,
			      struct engine_round rounds[ENGINE_MAX_ROUNDS])
{
	rounds[0] = (struct engine_round){ 1000, 20 };
	rounds[1] = (struct engine_round){ 30, 1 };
	return fake(h, domid)->info.own_kernel ? 2 : 0;
}

int tool_host_sched(struct tool_host *h, uint16_t domid, unsigned int weight, unsigned int cap)
{
	fake(h, domid)->weight = weight;
	fake(h, domid)->cap = cap;
	return 0;
}

int tool_host_info(struct tool_host *h, uint16_t domid, struct tool_host_info *info)
{
	if (!fake(h, domid))
		return -ENOENT;
	*info = fake(h, domid)->info;
	return 0;
}

uint16_t tool_host_next(struct tool_host *h, uint16_t domid)
{
	while (++domid < FAKE_DOMAINS)
		if (fake(h, domid))
			return domid;
	return 0;
}

int tool_host_console(struct tool_host *h, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX])
{
	if (!fake(h, domid))
		return -ENOENT;
	snprintf(tty, PATH_MAX, "/dev/pts/%u", domid);
	snprintf(log, PATH_MAX, "/log/%u", domid);
	return 0;
}

void fixture_start(struct fixture *f)
{
	struct tool_params params = { f->loop, f->dir, f->host };

	assert_int_equal(tool_create(&params, &f->tool), 0);
	assert_int_equal(rpc_server_create(f->loop, f->socket, tool_methods, f->tool, &f->rpc), 0);
}

void fixture_stop(struct fixture *f)
{
	rpc_server_destroy(f->rpc);
	tool_destroy(f->tool);
	f->tool = NULL;
	f->rpc = NULL;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/vf.tool.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/hvd.sock", f->dir);
	assert_int_equal(loop_create(&f->loop), 0);
	assert_int_equal(xs_server_create_private(f->loop, &f->xenstore), 0);
	assert_int_equal(xs_server_store(f->xenstore, &f->store), 0);
	f->host = (struct tool_host){ .xenstore = f->xenstore, .engine = &f->engine };
	fixture_start(f);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	tool_end(f->tool);
	fixture_stop(f);
	hv_store_close(f->store);
	xs_server_destroy(f->xenstore);
	loop_destroy(f->loop);
	assert_int_equal(scratch_remove(f->dir), 0);
	free(f);
	return 0;
}

static void *caller(void *arg)
{
	struct call *c = arg;

	c->rc = rpc_call(c->socket, c->method, c->params, 20000, &c->result);
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void call_begin(struct fixture *f, struct call *c, const char *method, json_t *params)
{
	*c = (struct call){ .socket = f->socket, .method = method, .params = params };
	assert_int_equal(pthread_create(&c->thread, NULL, caller, c), 0);
}

bool call_turn(struct fixture *f, struct call *c, int ms)
{
	uint64_t end = clock_ms() + (uint64_t)ms;

	while (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE)) {
		if (clock_ms() >= end)
			return false;
		loop_turn(f->loop, 5);
	}
	pthread_join(c->thread, NULL);
	return true;
}

json_t *call_finish(struct fixture *f, struct call *c, int want)
{
	assert_true(call_turn(f, c, 15000));
	if (c->rc != want)
		fail_msg("%s: %d: %s", c->method, c->rc, c->result ? json_dumps(c->result, 0) : "");
	return c->result;
}

json_t *call(struct fixture *f, const char *method, json_t *params)
{
	struct call c;

	call_begin(f, &c, method, params);
	return call_finish(f, &c, 0);
}

void call_drop(struct fixture *f, const char *method, json_t *params)
{
	json_decref(call(f, method, params));
}

void call_refused(struct fixture *f, const char *method, json_t *params, const char *code,
		  const char *message)
{
	json_t *error;
	struct call c;

	call_begin(f, &c, method, params);
	error = call_finish(f, &c, -EREMOTEIO);
	assert_string_equal(tool_config_text(error, "code", ""), code);
	if (message && !strstr(tool_config_text(error, "message", ""), message))
		fail_msg("%s: %s", method, tool_config_text(error, "message", ""));
	json_decref(error);
}

json_t *config_of(const char *text)
{
	struct diags diags = { 0 };
	json_t *config;

	if (xlcfg_parse("test", text, strlen(text), NULL, 0, &diags, &config))
		diags_print(&diags, stderr);
	assert_non_null(config);
	diags_fini(&diags);
	return config;
}

uint16_t create_ok(struct fixture *f, const char *text)
{
	json_t *result = call(f, "domain.create", json_pack("{s:o}", "config", config_of(text)));
	uint16_t domid = (uint16_t)json_integer_value(json_object_get(result, "domid"));

	json_decref(result);
	return domid;
}

int tool_host_screen(struct tool_host *h, uint16_t domid, char address[64], unsigned int *port_out)
{
	(void)h;
	(void)domid;
	(void)address;
	(void)port_out;
	return -ENOENT;
}

int tool_host_change_medium(struct tool_host *h, uint16_t domid, const char *vdev, const char *path,
			    const char *format, void (*done)(void *arg, const char *error),
			    void *arg, char why[ENGINE_WHY])
{
	(void)h;
	(void)domid;
	(void)vdev;
	(void)path;
	(void)format;
	(void)done;
	(void)arg;
	snprintf(why, ENGINE_WHY, "no machine");
	return -EINVAL;
}

int tool_host_nic_attach(struct tool_host *h, uint16_t domid, const json_t *vif,
			 void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY])
{
	struct fake_domain *d = fake(h, domid);

	if (h->engine->fail_nic) {
		snprintf(why, ENGINE_WHY, "made to fail");
		return h->engine->fail_nic;
	}
	d->nr_plugged++;
	d->nic = (struct fake_nic){ (unsigned int)json_integer_value(json_object_get(vif, "devid")),
				    done, arg };
	return 0;
}

int tool_host_nic_detach(struct tool_host *h, uint16_t domid, unsigned int devid,
			 void (*done)(void *arg, const char *error), void *arg)
{
	struct fake_domain *d = fake(h, domid);

	if (h->engine->fail_nic)
		return h->engine->fail_nic;
	d->nr_asked_out++;
	d->nic = (struct fake_nic){ devid, done, arg };
	return 0;
}

static int note_disk(struct tool_host *h, uint16_t domid,
		     void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY])
{
	struct fake_domain *d = fake(h, domid);

	if (h->engine->fail_nic) {
		snprintf(why, ENGINE_WHY, "made to fail");
		return h->engine->fail_nic;
	}
	d->disk = (struct fake_nic){ 0, done, arg };
	return 0;
}

int tool_host_disk_attach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY])
{
	(void)disk;
	return note_disk(h, domid, done, arg, why);
}

int tool_host_disk_detach(struct tool_host *h, uint16_t domid, const json_t *disk,
			  void (*done)(void *arg, const char *error), void *arg,
			  char why[ENGINE_WHY])
{
	(void)disk;
	return note_disk(h, domid, done, arg, why);
}

/* Who waits for the card is told, as the engine does. */
void tool_host_nic_cut(struct tool_host *h, uint16_t domid, unsigned int devid)
{
	struct fake_domain *d = fake(h, domid);
	struct fake_nic nic;

	if (!d)
		return;
	nic = d->nic;
	d->nr_cut++;
	if (!nic.done || nic.devid != devid)
		return;
	d->nic.done = NULL;
	nic.done(nic.arg, "cut");
}
