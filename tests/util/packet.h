/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP packets in Ethernet, whole with their checksums, for tests of what reads and rewrites them. */
#ifndef TESTS_UTIL_PACKET_H
#define TESTS_UTIL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_L3   14u
#define PACKET_MAX  512u
#define PACKET_LOAD 20u /* bytes behind the ports of each; of TCP its header's rest */

struct packet_bytes {
	uint8_t b[PACKET_MAX];
	size_t size;
};

/* @first, @second: ports; of ICMP type and number. @protocol: TCP, UDP, ICMP, ICMPv6, or another. */
void packet_make(struct packet_bytes *p, const char *from, const char *to, uint8_t protocol,
		 unsigned int first, unsigned int second);
/* An ICMP error of IPv4 from @from to @to that quotes 28 bytes of @quoted. */
void packet_error(struct packet_bytes *p, const char *from, const char *to,
		  const struct packet_bytes *quoted);
void packet_set16(struct packet_bytes *p, size_t at, unsigned int value);
unsigned int packet_get16(const struct packet_bytes *p, size_t at);
/* Checksums of IP and the layer above made right again, or with @is_blank the pseudo-header's sum. */
void packet_sum(struct packet_bytes *p, bool is_blank);
/* Whether they are. */
bool packet_is_right(const struct packet_bytes *p, bool is_blank);
/* "10.0.0.1:1000 > 192.0.2.1:80"; of an echo "10.0.0.1 > 192.0.2.1 echo 7". In a buffer of its own. */
const char *packet_text(const struct packet_bytes *p);

#endif
