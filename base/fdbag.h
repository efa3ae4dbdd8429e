/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open descriptors by name, on their way from a process to its successor. */
#ifndef BASE_FDBAG_H
#define BASE_FDBAG_H

#define FDBAG_NAME_MAX 48

struct fdbag;

/* NULL: out of memory. */
struct fdbag *fdbag_create(void);
/* What is left in it is closed. NULL is allowed. */
void fdbag_destroy(struct fdbag *bag);
/* Put @fd in under a name of its own, "@kind @name". It is the bag's, and closed when this fails: -errno. */
int fdbag_put(struct fdbag *bag, const char *kind, const char *name, int fd);
/* The caller's; -1: there is none, or @bag is NULL. */
int fdbag_take(struct fdbag *bag, const char *kind, const char *name);
unsigned int fdbag_size(const struct fdbag *bag);
/* Close what is left. */
void fdbag_empty(struct fdbag *bag);

/* All of it by @sock, SOCK_SEQPACKET; it stays in @bag as well. 0 or -errno. */
int fdbag_send(const struct fdbag *bag, int sock);
/* As sent, into @bag. 0; -EPROTO: by another version; -ECONNRESET: nobody is there any more; -errno. */
int fdbag_recv(struct fdbag *bag, int sock);

#endif
