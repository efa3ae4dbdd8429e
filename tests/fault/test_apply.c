/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks change their mode on a model of the kernel, documents and vifs included. Killed at every point,
 * with every operation failing once, or all from one on, with a disk that is full after so many bytes: the next
 * start is in the old state or in the new one, whole, and the state file says which.
 *
 * Who is to be killed is a child. It writes each operation down before doing it to its copy of the model;
 * the parent does the same to its own and is then what a next start finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "base/log.h"
#include "policy/apply.h"
#include "policy/wanted.h"
#include "vswitch/fake.h"

#define HEAD	"version: 1\nuplinks: { lan0: { match: { name: eth0 } } }\nnetworks:\n"
#define NR_VIFS 3

/* A child costs many times as much with a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW true
#else
#define IS_SLOW false
#endif

static const struct {
	const char *name, *text; /* text NULL: no policy */
} policies[] = {
	{ "nothing", NULL },
	{ "bridge", HEAD "  net0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24] }\n" },
	{ "bridge by DHCP with VLANs",
	  HEAD "  net0: { mode: bridge, uplink: lan0, addresses: [dhcp, ra], "
	       "vlan-filtering: true, vlans: { storage: 20 } }\n" },
	{ "ovs", HEAD "  net0: { mode: ovs, uplink: lan0, addresses: [192.0.2.10/24, dhcp6] }\n" },
	{ "nat",
	  HEAD "  wan0: { mode: bridge, uplink: lan0, nameservers: { addresses: [192.0.2.53] } }\n"
	       "  net0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24, dhcp: { range: "
	       "10.20.0.100-10.20.0.199 } }, { cidr: 'fd00:20::/64', ra: slaac, nat66: true } ], "
	       "egress: { network: wan0 }, dns: { domain: lab.example } }\n" },
	{ "route", HEAD "  wan0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24] }\n"
			"  net0: { mode: route, subnets: [ { cidr: 10.20.0.0/27 } ], "
			"egress: { network: wan0 }, advertise: proxy-neighbor }\n" },
	{ "isolated",
	  HEAD "  net0: { mode: isolated, subnets: [ { cidr: 10.30.0.0/24, dhcp: { range: "
	       "10.30.0.100-10.30.0.199 } } ] }\n" },
	{ "dpdk", HEAD "  wan0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24, dhcp], "
		       "datapath: dpdk }\n"
		       "  net0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24 } ], "
		       "egress: { network: wan0 }, datapath: dpdk }\n" },
};

#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))

struct host {
	char dir[64];
	struct vs_fake *fake;
	struct apply apply;
	struct policy *policies[NR_POLICIES];
	struct vs_wanted wanted[NR_POLICIES];
	struct diags ds;
	/* What a pair of policies begins with. */
	struct vs_observed old_model;
	char *old_text, *new_text, *old_state;
	unsigned int docs; /* VS_DOC_BIT()s of all that was there at times */
};

static void add_vifs(struct vs_wanted *w)
{
	bool has_vlans = w->networks[w->nr_networks - 1].vlan_filtering;

	for (int i = 0; i < NR_VIFS; i++) {
		struct vs_vif *vif = vs_wanted_add_vif(w);

		assert_non_null(vif);
		snprintf(vif->name, sizeof(vif->name), "vif%u.0", (uint8_t)(i + 1));
		vif->domid = (uint16_t)(i + 1);
		strcpy(vif->network, "net0");
		vif->mtu = 1500;
		vif->anti_spoof = VS_SPOOF_STRICT;
		vif->has_mac = true;
		vif->mac[5] = (uint8_t)i;
		vif->from_guest.bits_per_s = vif->to_guest.bits_per_s = 1000000;
		vif->vlans.access = has_vlans ? 20 : 0;
		vif->nr_addrs = 1;
		vif->addrs[0] = (struct vs_prefix){ .family = AF_INET, .len = 32 };
		inet_pton(AF_INET, "10.20.0.11", vif->addrs[0].address);
		vif->addrs[0].address[3] = (uint8_t)(11 + i);
	}
}

static void load(struct host *h)
{
	for (size_t i = 0; i < NR_POLICIES; i++) {
		const char *text = policies[i].text;

		vs_wanted_init(&h->wanted[i]);
		if (!text)
			continue;
		assert_int_equal(pol_load_text("p", text, strlen(text), &h->ds, &h->policies[i]),
				 0);
		assert_int_equal(pol_wanted(h->policies[i], "host", &h->wanted[i]), 0);
		add_vifs(&h->wanted[i]);
	}
}

static int restart(struct host *h)
{
	apply_fini(&h->apply);
	h->apply = (struct apply){ .sys = &h->fake->sys, .dir = h->dir };
	return apply_recover(&h->apply);
}

/* What a DHCP client has left on the uplink: the address does not bring its prefix's route, that has its own. */
static void add_lease(struct host *h)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD, .link = "eth0" };
	struct vs_route *r = &op.route;
	char why[VS_TEXT_LEN];

	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = 24,
				    .flags = IFA_F_NOPREFIXROUTE,
				    .valid_s = 3600,
				    .preferred_s = 3600 };
	inet_pton(AF_INET, "192.0.2.77", op.addr.local);
	memcpy(op.addr.peer, op.addr.local, sizeof(op.addr.peer));
	assert_int_equal(h->fake->sys.ops->apply(&h->fake->sys, &op, why), 0);
	op.kind = VS_OP_ROUTE_ADD;
	*r = (struct vs_route){ .family = AF_INET,
				.prefix_len = 24,
				.scope = RT_SCOPE_LINK,
				.type = RTN_UNICAST,
				.protocol = RTPROT_DHCP,
				.table = RT_TABLE_MAIN,
				.metric = 1002 };
	inet_pton(AF_INET, "192.0.2.0", r->to);
	assert_int_equal(h->fake->sys.ops->apply(&h->fake->sys, &op, why), 0);
	memset(r->to, 0, sizeof(r->to));
	r->prefix_len = 0;
	r->scope = RT_SCOPE_UNIVERSE;
	r->has_via = true;
	inet_pton(AF_INET, "192.0.2.1", r->via);
	assert_int_equal(h->fake->sys.ops->apply(&h->fake->sys, &op, why), 0);
}

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	char name[IFNAMSIZ];

	assert_non_null(h);
	log_init("test", getenv("VERBOSE") ? LOG_LEVEL_ERR : LOG_LEVEL_ERR - 1);
	strcpy(h->dir, "/dev/shm/vifrost-test.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	load(h);
	assert_int_equal(vs_fake_open(&h->fake), 0);
	assert_non_null(vs_fake_add_link(h->fake, "eth0", ""));
	for (int i = 0; i < NR_VIFS; i++) {
		snprintf(name, sizeof(name), "vif%u.0", (uint8_t)(i + 1));
		assert_non_null(vs_fake_add_link(h->fake, name, "tun"));
	}
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		h->fake->model.sysctls[i] = 0;
	add_lease(h);
	h->apply.open.journal.fd = -1;
	assert_int_equal(restart(h), 0);
	*state = h;
	return 0;
}

static void path_of(const struct host *h, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", h->dir, name);
}

static int teardown(void **state)
{
	static const char *const names[] = { "journal", "state.json", "ops" };
	struct host *h = *state;
	char path[128];

	for (size_t i = 0; i < NR_POLICIES; i++) {
		vs_wanted_fini(&h->wanted[i]);
		pol_free(h->policies[i]);
	}
	apply_fini(&h->apply);
	diags_fini(&h->ds);
	h->fake->sys.ops->close(&h->fake->sys);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(h, names[i], path);
		unlink(path);
	}
	rmdir(h->dir);
	free(h);
	return 0;
}

static int run(struct host *h, size_t i, struct apply_result *result)
{
	const struct apply_wish wish = { .wanted = &h->wanted[i],
					 .file = policies[i].text ? "p" : NULL,
					 .text = policies[i].text };
	int rc = apply_run(&h->apply, &wish, &h->ds, result);

	apply_result_fini(result);
	return rc;
}

static char *read_file(const struct host *h, const char *name)
{
	char path[128];
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	path_of(h, name, path);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

static void remove_file(const struct host *h, const char *name)
{
	char path[128];

	path_of(h, name, path);
	unlink(path);
}

/* All as it was before the change. */
static void rewind_host(struct host *h)
{
	char path[128];
	FILE *f;

	vs_observed_fini(&h->fake->model);
	assert_int_equal(vs_observed_copy(&h->fake->model, &h->old_model), 0);
	remove_file(h, "journal");
	remove_file(h, "ops");
	remove_file(h, "state.json");
	if (h->old_state) {
		path_of(h, "state.json", path);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(h->old_state, f);
		fclose(f);
	}
	h->fake->fail_at = 0;
	h->fake->fail_on = false;
	assert_int_equal(restart(h), 0);
}

/* Return: whether it is the new state. */
static bool check_whole(struct host *h, size_t from, size_t to, const char *what, size_t n)
{
	char *now = vs_observed_text(&h->fake->model);
	bool is_old = !strcmp(now, h->old_text), is_new = !strcmp(now, h->new_text);
	const char *text = policies[is_new ? to : from].text;

	if (!is_old && !is_new) {
		fprintf(stderr, "--- now\n%s--- old\n%s--- new\n%s", now, h->old_text, h->new_text);
		fail_msg("%s to %s, %s %zu: neither nor", policies[from].name, policies[to].name,
			 what, n);
	}
	if (text)
		assert_string_equal(h->apply.state.text, text);
	else
		assert_null(h->apply.state.text);
	remove_file(h, "ops");
	free(now);
	return is_new;
}

/* ---- The child ---- */

static int ops_fd = -1;
static const struct vs_system_ops *real_ops;

static int noted_apply(struct vs_system *sys, const struct vs_op *op, char *why)
{
	struct vs_step step = { .op = *op };
	json_t *json = vs_step_json(&step);
	char *text = json_dumps(json, JSON_COMPACT);

	if (!text || dprintf(ops_fd, "%s\n", text) < 0)
		_exit(3);
	free(text);
	json_decref(json);
	return real_ops->apply(sys, op, why);
}

static void note_ops(struct host *h)
{
	static struct vs_system_ops ops;

	real_ops = h->fake->sys.ops;
	ops = *real_ops;
	ops.apply = noted_apply;
	h->fake->sys.ops = &ops;
}

/* The changes of who was killed, to our own model. */
static void replay(struct host *h, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	struct vs_step step;
	json_t *json;

	while (getline(&line, &size, in) > 0) {
		json = json_loads(line, 0, NULL);
		assert_non_null(json);
		assert_int_equal(vs_step_from_json(json, &step), 0);
		vs_model_apply(&h->fake->model, &step.op);
		vs_step_fini(&step);
		json_decref(json);
	}
	free(line);
}

/* Fork; @fault_at: killed there; @disk: bytes that fit into a file. Return: its wait status. */
static int run_child(struct host *h, size_t to, unsigned int fault_at, rlim_t disk)
{
	struct rlimit limit = { disk, RLIM_INFINITY };
	struct apply_result result;
	FILE *ops = tmpfile();
	int status;
	pid_t pid;

	assert_non_null(ops);
	ops_fd = fileno(ops);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		/* Not limited: it is not on that disk. */
		int pipe_fds[2];

		if (pipe(pipe_fds))
			_exit(4);
		if (disk != RLIM_INFINITY) {
			signal(SIGXFSZ, SIG_IGN);
			fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20);
			ops_fd = pipe_fds[1];
			setrlimit(RLIMIT_FSIZE, &limit);
		}
		note_ops(h);
		h->apply.fault_at = fault_at;
		status = run(h, to, &result) ? 1 : 0;
		if (disk != RLIM_INFINITY) {
			limit.rlim_cur = RLIM_INFINITY;
			setrlimit(RLIMIT_FSIZE, &limit);
			fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
			char data[65536];
			ssize_t n;

			while ((n = read(pipe_fds[0], data, sizeof(data))) > 0)
				if (write(fileno(ops), data, (size_t)n) != n)
					_exit(5);
		}
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(ops);
	replay(h, ops);
	fclose(ops);
	return status;
}

/* ---- The loops ---- */

/* Of one pair in NR_POLICIES each point is tried, of the others one in four: which, differs. */
static unsigned int stride(size_t from, size_t to)
{
	return to == (from + 1) % NR_POLICIES ? 1 : 4;
}

static unsigned int first(size_t from, size_t to)
{
	return 1 + (unsigned int)(from + to) % stride(from, to);
}

static void kill_everywhere(struct host *h, size_t from, size_t to)
{
	size_t old = 0, new = 0;
	int status;

	for (unsigned int n = first(from, to);; n += stride(from, to)) {
		rewind_host(h);
		status = run_child(h, to, n, RLIM_INFINITY);
		assert_int_equal(restart(h), 0);
		if (check_whole(h, from, to, "killed at", n))
			new ++;
		else
			old++;
		if (!WIFSIGNALED(status)) {
			assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
			break;
		}
	}
	/* After the last step nothing but saving the state is left. */
	assert_true(old > (stride(from, to) == 1 ? 4 : 1) &&
		    new >= (stride(from, to) == 1 ? 2 : 1));
}

static void fail_everything(struct host *h, size_t from, size_t to, size_t nr_ops)
{
	struct apply_result result;
	int rc;

	for (size_t k = first(from, to); k <= nr_ops; k += stride(from, to)) {
		rewind_host(h);
		h->fake->fail_at = h->fake->nr_ops + k;
		assert_int_equal(run(h, to, &result), -ECANCELED);
		assert_true(result.is_rolled_back);
		assert_false(check_whole(h, from, to, "failing once", k));

		rewind_host(h);
		h->fake->fail_at = h->fake->nr_ops + k;
		h->fake->fail_on = true;
		assert_int_equal(run(h, to, &result), -ENOTRECOVERABLE);
		/* What failed was done all the same: who looks may find nothing left to do. */
		rc = restart(h);
		assert_true(rc == -ENOTRECOVERABLE || !rc);
		h->fake->fail_at = 0;
		h->fake->fail_on = false;
		assert_int_equal(restart(h), 0);
		assert_false(check_whole(h, from, to, "failing from", k));
	}
}

static void fill_disk(struct host *h, size_t from, size_t to)
{
	bool done = false;
	int status;

	for (rlim_t size = 0; !done; size = size + size / 8 + 64) {
		rewind_host(h);
		status = run_child(h, to, 0, size);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		done = !WEXITSTATUS(status);
		assert_int_equal(restart(h), 0);
		assert_int_equal(check_whole(h, from, to, "disk of", size), done);
	}
}

static void try_pair(struct host *h, size_t from, size_t to)
{
	struct apply_result result;
	size_t before;

	assert_int_equal(run(h, from, &result), 0);
	h->old_text = vs_observed_text(&h->fake->model);
	h->old_state = read_file(h, "state.json");
	assert_int_equal(vs_observed_copy(&h->old_model, &h->fake->model), 0);
	before = h->fake->nr_ops;
	if (run(h, to, &result))
		fail_msg("%s to %s: %s", policies[from].name, policies[to].name,
			 h->ds.nr ? h->ds.v[0].message : result.why);
	h->new_text = vs_observed_text(&h->fake->model);
	before = h->fake->nr_ops - before;
	assert_string_not_equal(h->old_text, h->new_text);
	for (size_t i = 0; i < h->fake->model.nr_docs; i++)
		h->docs |= VS_DOC_BIT(h->fake->model.docs[i].kind);
	kill_everywhere(h, from, to);
	fail_everything(h, from, to, before);
	if (stride(from, to) == 1)
		fill_disk(h, from, to);
	rewind_host(h);
	vs_observed_fini(&h->old_model);
	free(h->old_text);
	free(h->new_text);
	free(h->old_state);
	assert_int_equal(run(h, 0, &result), 0);
}

static void test_every_pair(void **state)
{
	struct host *h = *state;
	size_t nr = 0;

	for (size_t from = 0; from < NR_POLICIES; from++)
		for (size_t to = 0; to < NR_POLICIES; to++)
			if (from != to && (!IS_SLOW || to == (from + 1) % NR_POLICIES)) {
				try_pair(h, from, to);
				nr++;
			}
	/* Every kind but what is asked of a real device. */
	assert_int_equal(h->docs | VS_DOC_BIT(VS_DOC_OFFLOAD) | VS_DOC_BIT(VS_DOC_XDP),
			 VS_DOC_BIT(VS_DOC_NR) - 1);
	assert_int_equal(nr, IS_SLOW ? NR_POLICIES : NR_POLICIES * (NR_POLICIES - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_pair, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
