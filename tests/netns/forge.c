/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile guest: sends every frame of tests/util/forge.h and looks where it comes out.
 *
 *	netns-forge VERDICT SECONDS FROM TO... [KEY=VALUE...]
 *
 * VERDICT: none, mac, strict: what anti-spoof of the guest's vif is; untagged: none, but its port takes no
 * tags; silent: nothing at all may arrive.
 * SECONDS: 0 for every frame once, else over and over for so long, or until a file UNTIL is there and all has
 * arrived that must. FROM and TO: LINK, LINK@NETNS (a file: /run/netns/x, /proc/PID/ns/net), tap:LINK (the far
 * end of a TAP that exists), as TO also "stack": what the host's own network stack gets from any link, behind
 * bridges and guards. KEY: mac ip4 ip6 of the guest, other-mac other-ip4 other-ip6 of whom it claims to be, to-mac
 * to-ip4 to-ip6.
 *
 * What must arrive has to at one TO, what must not at none: "leak: NAME at TO", "lost: NAME", and exit
 * status 1. A TO behind "+": plain packets must arrive there. With WITNESS=FILE it is made once all is open,
 * for a script to go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "base/parse.h"
#include "tests/util/forge.h"

#define PORTS_MAX  8
#define FDS_MAX	   16
#define FRAMES_MAX 512
#define GAP_US	   50
#define QUIET_MS   400

struct port {
	const char *name;
	bool is_reached; /* by plain packets, or something is lost */
	int fds[FDS_MAX];
	size_t nr_fds;
	unsigned int arrived[FRAMES_MAX];
};

/* Whatever the mode, these get from the guest to the LAN. */
static const char *const plain[] = { "h_udp4", "h_udp6" };

/*
 * What a network stack takes. A socket of one protocol is asked after bridges and guards, one of all
 * protocols before.
 */
static const uint16_t stack_types[] = {
	ETH_P_IP,    ETH_P_ARP,	  ETH_P_IPV6,	ETH_P_RARP, ETH_P_802_2,
	ETH_P_802_3, ETH_P_8021Q, ETH_P_8021AD, 0x8847,	    0x8863,
	0x8808,	     0x8809,	  0x888e,	0x88cc,	    0x88a4,
};

static struct port ports[PORTS_MAX]; /* [0] sends */
static size_t nr_ports;
static unsigned int sent[FRAMES_MAX];

static struct forge_id id;

static void die(const char *what, const char *name)
{
	fprintf(stderr, "netns-forge: %s %s: %s\n", what, name, strerror(errno));
	exit(2);
}

static int open_tap(const char *link)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", link);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		die("cannot open tap", link);
	return fd;
}

static int open_socket(uint16_t type)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(type));
	int room = 16 << 20;

	if (fd < 0)
		die("cannot open", "a packet socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

static int open_packet(const char *link)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq mreq = { .mr_type = PACKET_MR_PROMISC };
	int fd = open_socket(ETH_P_ALL);

	sll.sll_ifindex = mreq.mr_ifindex = (int)if_nametoindex(link);
	if (!sll.sll_ifindex || bind(fd, (struct sockaddr *)&sll, sizeof(sll)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0)
		die("cannot open", link);
	return fd;
}

static void open_stack(struct port *p)
{
	for (size_t i = 0; i < sizeof(stack_types) / sizeof(stack_types[0]); i++)
		p->fds[p->nr_fds++] = open_socket(stack_types[i]);
}

static void open_port(const char *name)
{
	struct port *p = &ports[nr_ports++];
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there;
	char link[64];
	const char *at = strchr(name, '@');

	p->is_reached = name[0] == '+';
	name += p->is_reached;
	p->name = name;
	if (!strcmp(name, "stack")) {
		open_stack(p);
		close(home);
		return;
	}
	snprintf(link, sizeof(link), "%.*s", at ? (int)(at - name) : 63, name);
	if (at) {
		there = open(at + 1, O_RDONLY | O_CLOEXEC);
		if (there < 0 || setns(there, CLONE_NEWNET) < 0)
			die("cannot enter", at + 1);
		close(there);
	}
	p->fds[p->nr_fds++] = strncmp(link, "tap:", 4) ? open_packet(link) : open_tap(link + 4);
	if (at && setns(home, CLONE_NEWNET) < 0)
		die("cannot come back from", at + 1);
	close(home);
}

static void set_id(const char *arg)
{
	static const struct {
		const char *key;
		void *to;
		int kind;
	} keys[] = {
		{ "mac", id.mac, 0 },
		{ "ip4", id.ip4, AF_INET },
		{ "ip6", id.ip6, AF_INET6 },
		{ "other-mac", id.other_mac, 0 },
		{ "other-ip4", id.other_ip4, AF_INET },
		{ "other-ip6", id.other_ip6, AF_INET6 },
		{ "to-mac", id.to_mac, 0 },
		{ "to-ip4", id.to_ip4, AF_INET },
		{ "to-ip6", id.to_ip6, AF_INET6 },
	};
	size_t len = strcspn(arg, "=");
	const char *value = arg + len + 1;

	errno = EINVAL;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].key) == len && !strncmp(keys[i].key, arg, len) &&
		    (keys[i].kind ? inet_pton(keys[i].kind, value, keys[i].to) == 1
				  : !parse_mac(value, keys[i].to)))
			return;
	die("cannot read", arg);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void receive_at(struct port *p, int fd)
{
	uint8_t frame[4096];
	ssize_t size;

	while ((size = read(fd, frame, sizeof(frame))) > 0) {
		size_t which = forge_which(frame, (size_t)size);

		if (p != ports && which != SIZE_MAX)
			p->arrived[which]++;
	}
}

static void receive(void)
{
	for (size_t i = 0; i < nr_ports; i++)
		for (size_t k = 0; k < ports[i].nr_fds; k++)
			receive_at(&ports[i], ports[i].fds[k]);
}

static void send_all(void)
{
	uint8_t frame[FORGE_SIZE];

	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &id, frame);

		/* A link that is down refuses: that is part of it. */
		if (write(ports[0].fds[0], frame, size) == (ssize_t)size)
			sent[i]++;
		usleep(GAP_US);
		if (i % 8 == 0)
			receive();
	}
}

static int is_plain(size_t i)
{
	for (size_t k = 0; k < sizeof(plain) / sizeof(plain[0]); k++)
		if (!strcmp(forge_frame(i)->name, plain[k]))
			return 1;
	return 0;
}

/* Of frame @i, at any TO. */
static unsigned int arrivals(size_t i)
{
	unsigned int total = 0;

	for (size_t p = 1; p < nr_ports; p++)
		total += ports[p].arrived[i];
	return total;
}

/* Frames that have to arrive, at any TO or at a certain one, and have not. */
static int judge_lost(unsigned int verdict, bool is_told)
{
	int bad = 0;

	for (size_t i = 0; verdict && i < forge_count(); i++) {
		const char *name = forge_frame(i)->name;

		if (forge_arrives(i, verdict) <= 0)
			continue;
		if (!arrivals(i) && is_told)
			printf("lost: %s, all %u\n", name, sent[i]);
		bad += !arrivals(i);
		for (size_t p = 1; is_plain(i) && p < nr_ports; p++) {
			if (!ports[p].is_reached || ports[p].arrived[i])
				continue;
			if (is_told)
				printf("lost: %s on its way to %s, all %u\n", name, ports[p].name,
				       sent[i]);
			bad++;
		}
	}
	return bad;
}

static int judge_leaked(unsigned int verdict)
{
	int bad = 0;

	for (size_t i = 0; i < forge_count(); i++) {
		if (verdict && forge_arrives(i, verdict))
			continue;
		for (size_t p = 1; p < nr_ports; p++)
			if (ports[p].arrived[i])
				printf("leak: %s at %s, %u of %u\n", forge_frame(i)->name,
				       ports[p].name, ports[p].arrived[i], sent[i]);
		bad += arrivals(i) != 0;
	}
	return bad;
}

/* Whether there is a file of the name that the environment has for @key. */
static bool is_there(const char *key)
{
	const char *name = getenv(key);

	return name && !access(name, F_OK);
}

static void make_witness(void)
{
	const char *name = getenv("WITNESS");
	int fd = name ? open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned int verdict;
	} verdicts[] = { { "none", FORGE_NONE },
			 { "mac", FORGE_MAC },
			 { "strict", FORGE_STRICT },
			 { "untagged", FORGE_UNTAGGED },
			 { "silent", 0 } };
	uint64_t end, quiet;
	uint32_t seconds;
	size_t v = 0;
	int bad;

	id = forge_example;
	while (argc > 1 && v < 5 && strcmp(verdicts[v].name, argv[1]) != 0)
		v++;
	errno = EINVAL;
	if (argc < 5 || v == 5 || parse_u32(argv[2], 600, &seconds))
		die("usage:", "netns-forge VERDICT SECONDS FROM TO... [KEY=VALUE...]");
	for (int i = 3; i < argc; i++)
		if (strchr(argv[i], '='))
			set_id(argv[i]);
		else if (nr_ports < PORTS_MAX)
			open_port(argv[i]);
	make_witness();
	end = now_ms() + seconds * 1000ull;
	do {
		send_all();
	} while (now_ms() < end && (!is_there("UNTIL") || judge_lost(verdicts[v].verdict, false)));
	for (quiet = now_ms() + QUIET_MS; now_ms() < quiet; usleep(1000))
		receive();
	bad = judge_leaked(verdicts[v].verdict) + judge_lost(verdicts[v].verdict, true);
	printf("%zu kinds of frames, %d wrong\n", forge_count(), bad);
	return bad != 0;
}
