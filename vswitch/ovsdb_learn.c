/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Open vSwitch would learn from a guest's first frame: until then it floods what is for that guest to all
 * ports. A guest that moves here from another switch, and only listens, may not send for minutes.
 */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <string.h>

#include <openvswitch/match.h>
#include <openvswitch/ofp-actions.h>
#include <openvswitch/ofp-packet.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>

#define FRAME_LEN    60
#define ETHERTYPE_AT (2 * MAC_LEN)

/* From the guest to itself, of a type that nothing listens to: reverse ARP, with nothing in it. */
static void make_frame(const uint8_t mac[MAC_LEN], uint8_t frame[FRAME_LEN])
{
	memset(frame, 0, FRAME_LEN);
	memcpy(frame, mac, MAC_LEN);
	memcpy(frame + MAC_LEN, mac, MAC_LEN);
	frame[ETHERTYPE_AT] = 0x80;
	frame[ETHERTYPE_AT + 1] = 0x35;
}

void ovs_learn(struct ovs *ovs, const char *bridge, unsigned int port, const uint8_t mac[MAC_LEN])
{
	struct ofputil_packet_out po = { .buffer_id = UINT32_MAX,
					 .flow_metadata = MATCH_CATCHALL_INITIALIZER };
	uint8_t frame[FRAME_LEN];
	char why[VS_TEXT_LEN];
	struct ofpbuf actions;
	struct ovs_conn *c;

	if (ovs_conn_get(ovs, bridge, &c, why))
		return;
	make_frame(mac, frame);
	po.packet = frame;
	po.packet_len = sizeof(frame);
	match_set_in_port(&po.flow_metadata, (OVS_FORCE ofp_port_t)port);
	ofpbuf_init(&actions, 64);
	ofpact_put_OUTPUT(&actions)->port = OFPP_NORMAL;
	po.ofpacts = actions.data;
	po.ofpacts_len = actions.size;
	/* Not waited for: it only saves work. */
	if (ovs_conn_send(c, ofputil_encode_packet_out(&po, OVS_OF_PROTOCOL)))
		ovs_conn_close(ovs, bridge);
	ofpbuf_uninit(&actions);
}
