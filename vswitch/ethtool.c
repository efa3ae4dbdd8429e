/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/ethtool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#define TIMEOUT_SEC 5
#define BUFFER_SIZE (64 * 1024)

struct ethtool {
	struct mnl_socket *nl;
	uint16_t family;
	uint32_t seq;
	char buffer[BUFFER_SIZE];
};

static struct nlmsghdr *begin(struct ethtool *e, uint16_t family, uint8_t command, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(e->buffer);
	struct genlmsghdr *head;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++e->seq;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = command;
	head->version = 1;
	return nlh;
}

/* Send, and hand each answer to @fn until the acknowledgement. Return: 0; -errno of the kernel. */
static int talk(struct ethtool *e, struct nlmsghdr *nlh, mnl_cb_t fn, void *arg)
{
	int rc = MNL_CB_OK;

	if (mnl_socket_sendto(e->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		ssize_t size = mnl_socket_recvfrom(e->nl, e->buffer, sizeof(e->buffer));

		if (size < 0)
			return -errno;
		rc = mnl_cb_run(e->buffer, (size_t)size, e->seq, mnl_socket_get_portid(e->nl), fn,
				arg);
	}
	return rc == MNL_CB_ERROR ? -errno : 0;
}

static int on_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			*(uint16_t *)arg = mnl_attr_get_u16(attr);
	}
	return MNL_CB_OK;
}

int ethtool_open(struct ethtool **out)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
	struct ethtool *e = calloc(1, sizeof(*e));
	struct nlmsghdr *nlh;
	int rc = -ENOMEM;

	*out = NULL;
	if (!e)
		return rc;
	e->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!e->nl || mnl_socket_bind(e->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(e->nl), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0) {
		rc = -errno;
		goto out;
	}
	nlh = begin(e, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	rc = talk(e, nlh, on_family, &e->family);
	if (!rc && !e->family)
		rc = -EOPNOTSUPP;
out:
	if (rc)
		ethtool_close(e);
	else
		*out = e;
	return rc;
}

void ethtool_close(struct ethtool *e)
{
	if (!e)
		return;
	if (e->nl)
		mnl_socket_close(e->nl);
	free(e);
}

static void put_link(struct nlmsghdr *nlh, uint16_t type, const char *link, uint32_t flags)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, link);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_FLAGS, flags);
	mnl_attr_nest_end(nlh, nest);
}

/* The names in one bit of a set; NULL: none. */
static const char *bit_name(const struct nlattr *bit)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, bit)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

/* A set without a mask lists what is in it. */
static bool take_set(const struct nlattr *set, json_t *names)
{
	const struct nlattr *bits, *bit;
	bool ok = true;

	mnl_attr_for_each_nested(bits, set)
	{
		if (mnl_attr_get_type(bits) != ETHTOOL_A_BITSET_BITS)
			continue;
		mnl_attr_for_each_nested(bit, bits)
		{
			const char *name = bit_name(bit);

			if (name && json_object_set_new(names, name, json_true()) != 0)
				ok = false;
		}
	}
	return ok;
}

struct sets {
	json_t *active, *changeable;
};

static int on_features(const struct nlmsghdr *nlh, void *arg)
{
	struct sets *s = arg;
	const struct nlattr *attr;
	bool ok = true;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_FEATURES_ACTIVE)
			ok &= take_set(attr, s->active);
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_FEATURES_HW)
			ok &= take_set(attr, s->changeable);
	}
	if (ok)
		return MNL_CB_OK;
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

int ethtool_features(struct ethtool *e, const char *link, json_t **active, json_t **changeable)
{
	struct sets s = { json_object(), json_object() };
	struct nlmsghdr *nlh;
	int rc = -ENOMEM;

	if (s.active && s.changeable) {
		nlh = begin(e, e->family, ETHTOOL_MSG_FEATURES_GET, 0);
		put_link(nlh, ETHTOOL_A_FEATURES_HEADER, link, 0);
		rc = talk(e, nlh, on_features, &s);
	}
	if (rc) {
		json_decref(s.active);
		json_decref(s.changeable);
		s.active = s.changeable = NULL;
	}
	*active = s.active;
	*changeable = s.changeable;
	return rc;
}

static int ignore(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
	return MNL_CB_OK;
}

int ethtool_set_features(struct ethtool *e, const char *link, const json_t *features)
{
	struct nlmsghdr *nlh = begin(e, e->family, ETHTOOL_MSG_FEATURES_SET, 0);
	struct nlattr *set, *bits, *bit;
	const char *name;
	json_t *on;

	put_link(nlh, ETHTOOL_A_FEATURES_HEADER, link, ETHTOOL_FLAG_OMIT_REPLY);
	set = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_WANTED);
	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	json_object_foreach ((json_t *)features, name, on) {
		bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
		mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, name);
		if (json_is_true(on))
			mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
		mnl_attr_nest_end(nlh, bit);
	}
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, set);
	return talk(e, nlh, ignore, NULL);
}
