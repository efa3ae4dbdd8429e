/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UNIX sockets with descriptors as luggage. All sockets are CLOEXEC. */
#ifndef BASE_UNIXSOCK_H
#define BASE_UNIXSOCK_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define UNIXSOCK_MAX_FDS 16

/**
 * unixsock_listen() - Bind @path, replacing a dead predecessor's socket, and listen, non-blocking
 * @type:	SOCK_STREAM or SOCK_SEQPACKET
 * @mode:	Permissions of the socket file, in force before it can be connected to
 * Return: descriptor; -EADDRINUSE when someone answers there; -ENAMETOOLONG; -errno.
 */
int unixsock_listen(const char *path, int type, mode_t mode);
/* Return: blocking descriptor; -errno (-ENOENT, -ECONNREFUSED: nobody listens). */
int unixsock_connect(const char *path, int type);
/* Return: non-blocking descriptor; -errno. */
int unixsock_accept(int fd);

/* One message with @nr_fds descriptors, which stay the caller's. Return: bytes sent; -errno. */
ssize_t unixsock_send(int fd, const void *data, size_t size, const int *fds, size_t nr_fds);
/**
 * unixsock_recv() - Receive one message and its descriptors, which become the caller's
 * @nr_fds:	In: room in @fds; out: number received. Surplus ones are closed.
 * Return: bytes; 0 at end of file; -errno; -EMSGSIZE when @size was too small (a packet is lost).
 */
ssize_t unixsock_recv(int fd, void *data, size_t size, int *fds, size_t *nr_fds);

/* The process at the other end, as it was when it connected. Return: 0 or -errno. */
int unixsock_peer(int fd, pid_t *pid, uid_t *uid);

#endif
