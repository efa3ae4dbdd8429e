/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an end of a measurement is. A guest of our own, made for it, ends by itself when its time is
 * over, whatever becomes of us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/rpc.h"
#include "policy/bench/bench.h"

#define DISCARD_PORT   9
#define HVD_TIMEOUT_MS 20000

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int hvd(const struct bench *b, const char *method, json_t *params, json_t **result,
	       char why[BENCH_WHY])
{
	char path[PATH_MAX];
	json_t *answer = NULL;
	int rc;

	rundir_file(path, b->rundir, RUNDIR_HVD_SOCKET);
	rc = rpc_call(path, method, params, HVD_TIMEOUT_MS, &answer);
	if (rc == -EREMOTEIO)
		snprintf(why, BENCH_WHY, "%s", text_of(answer, "message"));
	else if (rc)
		snprintf(why, BENCH_WHY, "vifrost-hvd does not answer in %s: %s", b->rundir,
			 strerror(-rc));
	if (result && !rc)
		*result = answer;
	else
		json_decref(answer);
	return rc;
}

int bench_status(struct bench *b, char why[BENCH_WHY])
{
	json_t *status = NULL;
	char path[PATH_MAX];
	int rc;

	rundir_file(path, b->rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_call(path, "status", NULL, HVD_TIMEOUT_MS, &status);
	if (rc) {
		snprintf(why, BENCH_WHY, "vifrostd does not answer in %s any more: %s", b->rundir,
			 strerror(-rc));
		json_decref(status);
		return rc;
	}
	json_decref(b->status);
	b->status = status;
	return 0;
}

/* ---- its link and addresses, looked at in its own network ---- */

static bool has_v4(int fd, const char *device, uint32_t address)
{
	struct ifreq r = { .ifr_flags = 0 };
	struct sockaddr_in in;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFADDR, &r) < 0)
		return false;
	memcpy(&in, &r.ifr_addr, sizeof(in));
	return in.sin_addr.s_addr == address;
}

/* One request of the old kind, which all kernels have, about @device. */
static void set_v4(int fd, unsigned long request, const char *device, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = address };
	struct ifreq r = { .ifr_flags = 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	memcpy(&r.ifr_addr, &in, sizeof(in));
	ioctl(fd, request, &r);
}

static void set_address(int fd, const struct bench_end *end)
{
	struct sockaddr_in any = { .sin_family = AF_INET }, gateway = any;
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct in_addr in;

	if (!end->given.length || inet_pton(AF_INET, end->given.ip, &in) != 1 ||
	    inet_pton(AF_INET, end->given.gateway, &gateway.sin_addr) != 1 ||
	    has_v4(fd, end->device, in.s_addr))
		return;
	set_v4(fd, SIOCSIFADDR, end->device, in.s_addr);
	set_v4(fd, SIOCSIFNETMASK, end->device, htonl(~(0xffffffffu >> end->given.length)));
	memcpy(&route.rt_dst, &any, sizeof(any));
	memcpy(&route.rt_genmask, &any, sizeof(any));
	memcpy(&route.rt_gateway, &gateway, sizeof(gateway));
	ioctl(fd, SIOCADDRT, &route);
}

/* So that the gateway asks nobody else for our address, who had it in the path before. */
static void greet(const struct bench_end *end)
{
	struct sockaddr_in gateway = { .sin_family = AF_INET, .sin_port = htons(DISCARD_PORT) };
	int fd;

	if (!end->given.length || inet_pton(AF_INET, end->given.gateway, &gateway.sin_addr) != 1)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (sendto(fd, "", 1, 0, (void *)&gateway, sizeof(gateway)) < 0) {
		/* Its link is not there yet: there is another time. */
	}
	close(fd);
}

/* What fails here shows as no answer. */
static void bring_up(const struct bench_end *end)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), dad;
	struct ifreq r = { .ifr_flags = 0 };
	char path[96];

	/* Nobody has our address: it was made for us. */
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", end->device);
	dad = open(path, O_WRONLY | O_CLOEXEC);
	if (dad >= 0) {
		if (write(dad, "0", 1) < 0) {
			/* Then it takes a second longer. */
		}
		close(dad);
	}
	if (fd < 0)
		return;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", end->device);
	if (!ioctl(fd, SIOCGIFFLAGS, &r) && !(r.ifr_flags & IFF_UP)) {
		r.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &r);
	}
	set_address(fd, end);
	close(fd);
	greet(end);
}

static int print_addresses(const void *arg)
{
	const struct bench_end *end = arg;
	struct ifaddrs *all, *a;

	if (end->is_own)
		bring_up(end);
	if (getifaddrs(&all) < 0)
		return 1;
	for (a = all; a; a = a->ifa_next) {
		char text[INET6_ADDRSTRLEN] = "";
		int family = a->ifa_addr ? a->ifa_addr->sa_family : 0;

		if (strcmp(a->ifa_name, end->device) != 0)
			continue;
		if (family == AF_INET) {
			struct sockaddr_in *in = (void *)a->ifa_addr;

			inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
			printf("4 %s\n", text);
		} else if (family == AF_INET6) {
			struct sockaddr_in6 *in6 = (void *)a->ifa_addr;

			inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
			printf("%c %s\n", IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ? 'l' : '6', text);
		}
	}
	freeifaddrs(all);
	return 0;
}

int bench_end_addresses(struct bench_end *end)
{
	struct bench_child c;
	char *text = NULL, *line, *rest;
	int rc = bench_child_start(&c, end->is_host ? 0 : end->pid, NULL, print_addresses, end);

	end->v4[0] = end->v6[0] = end->link_local[0] = 0;
	if (!rc)
		rc = bench_child_wait(&c, 2000, &text);
	if (rc)
		return rc < 0 ? rc : -ENETDOWN;
	for (line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *to = line[0] == '4' ? end->v4 : line[0] == '6' ? end->v6 : end->link_local;

		if (!*to)
			snprintf(to, BENCH_ADDRESS_LEN, "%s", line + 2);
	}
	free(text);
	return 0;
}

/* ---- a guest of the policy ---- */

/* The vif of domain @domid on @network, of any when that is "". */
static void find_vif(const struct bench *b, struct bench_end *end, const char *network)
{
	const json_t *vif;
	size_t i;

	json_array_foreach (json_object_get(b->status, "vifs"), i, vif) {
		if (json_integer_value(json_object_get(vif, "domid")) != end->domid ||
		    end->vif[0] || (*network && strcmp(text_of(vif, "network"), network) != 0))
			continue;
		snprintf(end->vif, sizeof(end->vif), "%s", text_of(vif, "name"));
		snprintf(end->network, sizeof(end->network), "%s", text_of(vif, "network"));
		snprintf(end->device, sizeof(end->device), "eth%d",
			 (int)json_integer_value(json_object_get(vif, "devid")) % 10000);
	}
}

/* A domain of the core: where its network is, if a process of it has one. */
static int find_domain(struct bench *b, struct bench_end *end, char why[BENCH_WHY])
{
	json_t *list = NULL, *domain;
	int rc = hvd(b, "domain.list", json_pack("{ss}", "name", end->name), &list, why);

	if (rc == -EREMOTEIO)
		snprintf(
			why, BENCH_WHY,
			"there is no guest \"%.200s\": `vxl list` shows all; an end is also %s, or an "
			"address where iperf3 -s -p %u runs",
			end->name, BENCH_HOST, b->port);
	if (rc)
		return rc == -EREMOTEIO ? -ENOENT : rc;
	domain = json_array_get(list, 0);
	end->domid = (int)json_integer_value(json_object_get(domain, "domid"));
	if (!strcmp(text_of(domain, "type"), "ns"))
		end->pid = (pid_t)json_integer_value(json_object_get(domain, "pid"));
	json_decref(list);
	return 0;
}

/* Without a core, vifrostd knows which domain a guest is. */
static int find_guest(const struct bench *b, struct bench_end *end, char why[BENCH_WHY])
{
	const json_t *vif;
	size_t i;

	json_array_foreach (json_object_get(b->status, "vifs"), i, vif)
		if (!strcmp(text_of(vif, "guest"), end->name))
			end->domid = (int)json_integer_value(json_object_get(vif, "domid"));
	if (end->domid >= 0)
		return 0;
	snprintf(
		why, BENCH_WHY,
		"there is no guest \"%.200s\" with a vif: `vifrost vif list` shows all; an end is also "
		"%s, or an address where iperf3 -s -p %u runs",
		end->name, BENCH_HOST, b->port);
	return -ENOENT;
}

static void take_address(struct bench_end *end, const char *text)
{
	char *to = strchr(text, ':') ? end->v6 : end->v4;

	if (!*to)
		snprintf(to, BENCH_ADDRESS_LEN, "%.*s", (int)strcspn(text, "/"), text);
}

/* The addresses that the policy has for a guest which we cannot look into. */
static void ask_policy(const struct bench *b, struct bench_end *end)
{
	json_t *params = json_pack("{sb}", "effective", true), *policy = NULL, *vif, *address;
	char path[PATH_MAX];
	size_t i, k;

	rundir_file(path, b->rundir, RUNDIR_VIFROSTD_SOCKET);
	if (rpc_call(path, "show", params, HVD_TIMEOUT_MS, &policy)) {
		json_decref(policy);
		return;
	}
	json_array_foreach (
		json_object_get(json_object_get(json_object_get(policy, "guests"), end->name),
				"vifs"),
		i, vif)
		if (!strcmp(text_of(vif, "network"), end->network))
			json_array_foreach (json_object_get(vif, "addresses"), k, address)
				if (json_is_string(address))
					take_address(end, json_string_value(address));
	json_decref(policy);
}

static int open_guest(struct bench *b, struct bench_end *end, const char *network,
		      char why[BENCH_WHY])
{
	int rc = b->has_core ? find_domain(b, end, why) : find_guest(b, end, why);

	if (rc)
		return rc;
	find_vif(b, end, network);
	if (!end->vif[0]) {
		snprintf(why, BENCH_WHY,
			 "guest \"%.200s\" has no vif%s%s: `vifrost vif list` shows where each is",
			 end->name, *network ? " on " : "", network);
		return -ENODEV;
	}
	if (end->pid)
		return 0;
	ask_policy(b, end);
	if (end->v4[0] || end->v6[0])
		return 0;
	snprintf(
		why, BENCH_WHY,
		"guest \"%.200s\" is not of type ns and the policy has no addresses for it: give its "
		"address instead, and run iperf3 -s -p %u in it",
		end->name, b->port);
	return -EADDRNOTAVAIL;
}

/* ---- a guest of our own ---- */

/* Where the network has a subnet, an address of it: who routes, or guards strictly, needs to know it. */
static void give_address(struct bench *b, struct bench_end *end, const uint8_t mac[MAC_LEN])
{
	char path[PATH_MAX], why[BENCH_WHY];
	json_t *domains = NULL;
	int rc = -ENOENT;

	rundir_file(path, b->rundir, RUNDIR_VIFROSTD_SOCKET);
	if (!b->policy && rpc_call(path, "show", NULL, HVD_TIMEOUT_MS, &b->policy)) {
		json_decref(b->policy);
		b->policy = NULL;
	}
	if (b->policy && !hvd(b, "domain.list", NULL, &domains, why))
		rc = bench_free_address(b->policy, domains, end->network, &end->given);
	json_decref(domains);
	/* A strict guard wants to know one: the link-local one, which it makes of its MAC as the guest does. */
	if (rc == -ENOENT) {
		struct in6_addr in6 = { .s6_addr = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2,
						     mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4],
						     mac[5] } };

		inet_ntop(AF_INET6, &in6, end->given.ip, sizeof(end->given.ip));
	}
}

static json_t *own_config(struct bench *b, struct bench_end *end)
{
	uint8_t mac[MAC_LEN] = { 0x00, 0x16, 0x3e };
	char text[MAC_TEXT_LEN], life[16];

	if (getrandom(mac + 3, 3, 0) != 3)
		return NULL;
	give_address(b, end, mac);
	format_mac(mac, text);
	snprintf(life, sizeof(life), "%u", b->life_s);
	return json_pack("{s{ss ss si s[ss] s[{ss ss ss*}] ss ss ss}}", "config", "name", end->name,
			 "type", "ns", "memory", 64, "init", "/bin/sleep", life, "vif", "mac", text,
			 "bridge", end->network, "ip", end->given.ip[0] ? end->given.ip : NULL,
			 "on_poweroff", "destroy", "on_reboot", "destroy", "on_crash", "destroy");
}

static int open_own(struct bench *b, struct bench_end *end, char why[BENCH_WHY])
{
	json_t *made = NULL;
	int rc;

	if (!b->has_core) {
		snprintf(
			why, BENCH_WHY,
			"only the core's hosts make guests of their own for this; name two ends, such "
			"as --from %s --to 192.0.2.21, where iperf3 -s -p %u runs",
			BENCH_HOST, b->port);
		return -EOPNOTSUPP;
	}
	snprintf(end->name, sizeof(end->name), "vifrost-bench-%d-%u", (int)getpid(),
		 b->nr_guests++);
	end->is_own = true;
	rc = hvd(b, "domain.create", own_config(b, end), &made, why);
	if (rc)
		return rc;
	end->domid = (int)json_integer_value(json_object_get(made, "domid"));
	json_decref(made);
	snprintf(end->vif, sizeof(end->vif), "vif%d.0", end->domid);
	snprintf(end->device, sizeof(end->device), "eth0");
	return find_domain(b, end, why);
}

/* ---- all kinds ---- */

static bool is_address(const char *text)
{
	uint8_t bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_same(const struct bench_end *end, const char *name, const char *network)
{
	return !end->is_own && !strcmp(end->name, name) && !strcmp(end->network, network);
}

int bench_end_open(struct bench *b, const char *name, const char *network, struct bench_end **out,
		   char why[BENCH_WHY])
{
	struct bench_end *end;
	int rc = 0;

	for (size_t i = 0; name && i < b->nr_ends; i++)
		if (is_same(b->ends[i], name, network)) {
			*out = b->ends[i];
			return 0;
		}
	if (b->nr_ends == sizeof(b->ends) / sizeof(b->ends[0])) {
		snprintf(why, BENCH_WHY, "too many ends for one run: name a network");
		return -E2BIG;
	}
	end = calloc(1, sizeof(*end));
	if (!end) {
		snprintf(why, BENCH_WHY, "out of memory");
		return -ENOMEM;
	}
	b->ends[b->nr_ends++] = *out = end;
	end->domid = -1;
	snprintf(end->name, sizeof(end->name), "%s", name ? name : "");
	snprintf(end->network, sizeof(end->network), "%s", network);
	if (!name) {
		rc = open_own(b, end, why);
	} else if (!strcmp(name, BENCH_HOST)) {
		end->is_host = true;
		end->pid = getpid();
		snprintf(end->device, sizeof(end->device), "%s", network);
	} else if (is_address(name)) {
		snprintf(strchr(name, ':') ? end->v6 : end->v4, BENCH_ADDRESS_LEN, "%s", name);
	} else {
		rc = open_guest(b, end, network, why);
	}
	/* Nobody is to find it by its name again. */
	if (rc)
		end->name[0] = 0;
	return rc;
}

void bench_ends_close(struct bench *b)
{
	char why[BENCH_WHY];

	for (size_t i = 0; i < b->nr_ends; i++) {
		struct bench_end *end = b->ends[i];

		if (end->is_own && end->domid > 0)
			hvd(b, "domain.destroy", json_pack("{si}", "domid", end->domid), NULL, why);
		free(end);
	}
	b->nr_ends = 0;
}
