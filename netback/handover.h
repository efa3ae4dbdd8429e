/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a vifrost-netback to its successor, both alive. The successor connects to the running one's socket;
 * that one stops where it stands, sends all descriptors that would lose frames if nobody had them open (and
 * its locks), and waits. The successor serves, says so, and the old one ends. If the successor goes before it
 * has said so, the old one takes up everything again, as a successor would.
 */
#ifndef NETBACK_HANDOVER_H
#define NETBACK_HANDOVER_H

#include "base/fdbag.h"

/**
 * handover_ask() - Have the one that listens at @path stop and give what it has, into @bag
 * Return: descriptor of the conversation; -ENOENT, -ECONNREFUSED: nobody runs; -EPERM: it is not root's or
 * ours; -EPROTO: it speaks another version; -errno.
 */
int handover_ask(const char *path, struct fdbag *bag);
/* We serve: the other may go. Ends the conversation. 0; -errno: the other has taken it up again. */
int handover_done(int sock);

/* Who has connected to the listening @fd. -errno: none, or not one who may. */
int handover_accept(int fd);
/**
 * handover_give() - Send @bag, and wait until the successor serves
 * Ends the conversation. A successor that takes more than @patience_ms is killed.
 * Return: 0: it serves; -errno: it is gone, and touches nothing any more.
 */
int handover_give(int sock, const struct fdbag *bag, int patience_ms);

#endif
