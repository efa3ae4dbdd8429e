/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bootloader may answer; what one can do that is not what it should be; Debian's, on images made here. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hv/boot.h"

struct fixture {
	struct loop *loop;
	struct boot *boot;
	char dir[64], image[96];
	bool done;
	struct boot_result result;
	char kernel[64]; /* its first bytes */
	char why[512];	 /* "": it has succeeded */
};

static void answers(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		bool good;
	} cases[] = {
#define CASE(text_, good_) { text_, sizeof(text_) - 1, good_ }
		CASE("kernel /out/k\0ramdisk /out/r\0args root=/dev/xvda ro\0\0", true),
		CASE("kernel /out/k\0\0", true),
		CASE("args a\0kernel /out/k\0\0", true),
		CASE("", false),
		CASE("\0", false),
		CASE("args a\0\0", false),
		CASE("kernel /out/k\0", false),
		CASE("kernel /out/k", false),
		CASE("kernel /out/k\0\0x", false),
		CASE("kernel /out/k\0\0\0", false),
		CASE("kernel /out/k\0kernel /out/l\0\0", false),
		CASE("kernel k\0\0", false),
		CASE("kernel /etc/shadow\0\0", false),
		CASE("kernel /out/../etc/shadow\0\0", false),
		CASE("kernel /out/..\0\0", false),
		CASE("kernel /out/\0\0", false),
		CASE("kernel /out/k\0ramdisk /out/a/b\0\0", false),
		CASE("kernel /out/k\0args a\nb\0\0", false),
		CASE("kernel /out/k\0args a\033b\0\0", false),
		CASE("kernel /out/k\0what else\0\0", false),
		CASE("linux (kernel /out/k)\0\0", false),
	};
	struct boot_choice choice;
	char why[ENGINE_WHY], *text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Of its size, so that a byte too far is noticed. */
		text = malloc(cases[i].size ? cases[i].size : 1);
		memcpy(text, cases[i].text, cases[i].size);
		if (!boot_parse(text, cases[i].size, &choice, why) != cases[i].good)
			fail_msg("case %zu", i);
		free(text);
	}
	assert_int_equal(boot_parse(cases[0].text, cases[0].size, &choice, why), 0);
	assert_string_equal(choice.kernel, "k");
	assert_string_equal(choice.ramdisk, "r");
	assert_string_equal(choice.args, "root=/dev/xvda ro");
}

static void long_answers(void **state)
{
	struct boot_choice choice;
	char text[2 * BOOT_ARGS] = "kernel /out/k", why[ENGINE_WHY];
	size_t from = strlen(text) + 1;

	(void)state;
	memset(text + from, 'a', BOOT_ARGS + 4);
	memcpy(text + from, "args ", 5);
	assert_int_equal(boot_parse(text, from + BOOT_ARGS + 6, &choice, why), 0);
	assert_int_equal(strlen(choice.args), BOOT_ARGS - 1);
	text[from + BOOT_ARGS + 4] = 'a';
	assert_int_equal(boot_parse(text, from + BOOT_ARGS + 7, &choice, why), -EINVAL);
}

static void done(void *arg, const struct boot_result *result, const char *why)
{
	struct fixture *f = arg;
	int fd;

	assert_false(f->done);
	f->done = true;
	snprintf(f->why, sizeof(f->why), "%s", why ? why : "");
	if (!result)
		return;
	f->result = *result;
	fd = open(result->kernel, O_RDONLY);
	assert_true(fd >= 0);
	memset(f->kernel, 0, sizeof(f->kernel));
	assert_true(read(fd, f->kernel, sizeof(f->kernel) - 1) > 0);
	close(fd);
}

/* Until it is over. */
static void run_spec(struct fixture *f, const struct boot_spec *spec)
{
	uint64_t end = clock_ms() + 60000;
	char why[ENGINE_WHY];

	f->done = false;
	f->why[0] = '\0';
	if (boot_start(f->loop, spec, done, f, &f->boot, why)) {
		snprintf(f->why, sizeof(f->why), "%s", why);
		return;
	}
	while (!f->done && clock_ms() < end)
		loop_turn(f->loop, 100);
	assert_true(f->done);
	boot_free(f->boot);
	f->boot = NULL;
}

/* A shell is a bootloader as good as any other: $0 and the rest are our options. It can start no process. */
static void run_script(struct fixture *f, const char *script)
{
	const char *args[] = { "-c", script, NULL };
	struct boot_spec spec = {
		.program = "/usr/bin/sh", .image = f->image, .args = args, .timeout_ms = 1000
	};

	run_spec(f, &spec);
}

#define ANSWER "printf 'kernel /out/k\\0args a b\\0\\0'"

static void script_ok(struct fixture *f, const char *script)
{
	char all[1024];

	snprintf(all, sizeof(all), "{ %s; } && echo KERNEL > /out/k && " ANSWER, script);
	run_script(f, all);
	if (f->why[0])
		fail_msg("%s: %s", script, f->why);
	assert_string_equal(f->kernel, "KERNEL\n");
	assert_string_equal(f->result.args, "a b");
	assert_string_equal(f->result.ramdisk, "");
	assert_int_equal(f->result.kernel_size, 7);
}

static void script_fails(struct fixture *f, const char *script, const char *why)
{
	run_script(f, script);
	if (!strstr(f->why, why))
		fail_msg("%s: '%s', not '%s'", script, f->why, why);
}

/* What it sees and may do. */
static void apart(void **state)
{
	struct fixture *f = *state;

	script_ok(f, "read -r x < /disk && [ \"$x\" = IMAGE ]");
	script_ok(
		f,
		"[ ! -e /proc ] && [ ! -e /dev ] && [ ! -e /root ] && [ ! -e /run ] && [ ! -e /tmp ]");
	script_ok(f, "[ $$ = 1 ]");
	script_fails(f, ": > /usr/x", "Read-only");
	script_fails(f, ": > /x", "Read-only");
	script_fails(f, "echo x > /disk", "Read-only");
	script_fails(f, "/usr/bin/true; /usr/bin/true", "fork");
	script_fails(f, "while :; do echo 0123456789012345678901234567890123456789; done > /out/k",
		     "ended");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void ends_badly(void **state)
{
	struct fixture *f = *state;
	uint64_t began = clock_ms();

	script_fails(f, "while :; do :; done", "not ended within 1 s");
	assert_true(clock_ms() - began < 15000);
	script_fails(f, "printf 'first\\nlast \\033[1mwords\\n' >&2; exit 1", "sh: last ?[1mwords");
	script_fails(f, "exit 3", "status 3");
	script_fails(f, "kill -KILL $$; exit 4", "status 4");
	script_fails(f, ":", "cut off");
	script_fails(f, ANSWER, "no file, or empty");
	script_fails(f, ": > /out/k; " ANSWER, "no file, or empty");
	assert_null(f->boot);
}

/* Given up while it runs: nothing of it is left, and it is not heard of. */
static void given_up(void **state)
{
	struct fixture *f = *state;
	const char *args[] = { "-c", "while :; do :; done", NULL };
	struct boot_spec spec = {
		.program = "/usr/bin/sh", .image = f->image, .args = args, .timeout_ms = 60000
	};
	char why[ENGINE_WHY];

	f->done = false;
	assert_int_equal(boot_start(f->loop, &spec, done, f, &f->boot, why), 0);
	loop_turn(f->loop, 50);
	boot_free(f->boot);
	f->boot = NULL;
	loop_turn(f->loop, 50);
	assert_false(f->done);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	boot_free(NULL);
}

static void not_started(void **state)
{
	static const struct {
		const char *program, *image, *why;
	} cases[] = {
		{ "/usr/bin/none", "/dev/null", "no such program" },
		{ "grub", "/dev/null", "allowed: \"pygrub\"" },
		{ "/usr/../bin/sh", "/dev/null", "no more than /usr" },
		{ "/usr/bin/sh", "/none", "/none: No such file" },
		{ "/usr/bin/sh", "/dev/null", "neither a file nor a block device" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct boot_spec spec = { .program = cases[i].program, .image = cases[i].image };

		run_spec(f, &spec);
		if (!strstr(f->why, cases[i].why))
			fail_msg("case %zu: %s", i, f->why);
	}
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool have(const char *pattern)
{
	glob_t found;
	bool there = !glob(pattern, 0, NULL, &found);

	if (there)
		globfree(&found);
	return there;
}

/* Return: of waitpid(). */
static int run_program(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int mkfs(const char *root, const char *image)
{
	return run_program((const char *const[]){ "/usr/sbin/mkfs.ext4", "-q", "-F", "-d", root,
						  image, "2M", NULL });
}

static int to_qcow2(const char *from, const char *to)
{
	return run_program((const char *const[]){ "qemu-img", "convert", "-f", "raw", "-O", "qcow2",
						  from, to, NULL });
}

static bool has_qemu(void)
{
	return !access("/usr/bin/qemu-storage-daemon", X_OK) &&
	       !access("/usr/bin/qemu-img", X_OK) && !access("/dev/fuse", R_OK | W_OK);
}

/* Seen raw by the program alone, whoever it is. */
static void other_formats(void **state)
{
	struct fixture *f = *state;
	const char *args[] = { "-c", NULL, NULL };
	struct boot_spec spec = {
		.program = "/usr/bin/sh", .format = "qcow2", .args = args, .timeout_ms = 10000
	};
	char image[96], magic[4] = "";
	FILE *file;

	if (!has_qemu())
		skip();
	snprintf(image, sizeof(image), "%s/disk.qcow2", f->dir);
	assert_int_equal(truncate(f->image, 1 << 20), 0);
	assert_int_equal(to_qcow2(f->image, image), 0);
	assert_int_equal(chown(image, 1234, 1234), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	spec.image = image;
	args[1] =
		"read -r x < /disk && [ \"$x\" = IMAGE ] && ! echo y > /disk && [ ! -e /proc ] && "
		"echo KERNEL > /out/k && " ANSWER;
	run_spec(f, &spec);
	assert_string_equal(f->why, "");
	assert_string_equal(f->kernel, "KERNEL\n");
	/* Here it is what it was, and nobody serves it any more. */
	file = fopen(image, "r");
	assert_non_null(file);
	assert_int_equal(fread(magic, 1, sizeof(magic), file), sizeof(magic));
	fclose(file);
	assert_memory_equal(magic, "QFI\xfb", 4);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);

	spec.image = f->image;
	run_spec(f, &spec);
	assert_non_null(strstr(f->why, "Image is not in qcow2 format"));
	spec.format = "zip";
	run_spec(f, &spec);
	assert_non_null(strstr(f->why, "format zip is not known"));
}

static void pygrub(void **state)
{
	struct fixture *f = *state;
	struct boot_spec spec = { .program = "/usr/local/bin/pygrub", .timeout_ms = 60000 };
	static const char *const dirs[] = { "/root", "/root/boot", "/root/boot/grub" };
	char path[160], image[160];

	if (!have("/usr/lib/xen-*/bin/pygrub") || access("/usr/sbin/mkfs.ext4", X_OK))
		skip();
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", f->dir, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	write_file(f, "root/boot/vmlinuz", "the kernel");
	write_file(f, "root/boot/vmlinuz.old", "an old kernel");
	write_file(f, "root/boot/initrd", "the ramdisk");
	write_file(f, "root/boot/grub/grub.cfg",
		   "set default=0\nmenuentry 'new' {\n\tlinux /boot/vmlinuz root=/dev/xvda ro\n"
		   "\tinitrd /boot/initrd\n}\nmenuentry 'old' {\n\tlinux /boot/vmlinuz.old\n}\n");
	snprintf(path, sizeof(path), "%s/root", f->dir);
	snprintf(image, sizeof(image), "%s/disk.img", f->dir);
	assert_int_equal(mkfs(path, image), 0);
	spec.image = image;
	spec.cmdline = "quiet x=1";
	run_spec(f, &spec);
	assert_string_equal(f->why, "");
	assert_string_equal(f->kernel, "the kernel");
	assert_int_equal(f->result.ramdisk_size, strlen("the ramdisk"));
	assert_string_equal(f->result.args, "root=/dev/xvda ro quiet x=1");

	if (has_qemu()) {
		snprintf(path, sizeof(path), "%s/disk.qcow2", f->dir);
		assert_int_equal(to_qcow2(image, path), 0);
		spec.image = path;
		spec.format = "qcow2";
		run_spec(f, &spec);
		assert_string_equal(f->why, "");
		assert_string_equal(f->kernel, "the kernel");
		assert_string_equal(f->result.args, "root=/dev/xvda ro quiet x=1");
		spec.image = image;
		spec.format = NULL;
	}

	spec.args = (const char *const[]){ "--entry=1", NULL };
	run_spec(f, &spec);
	assert_string_equal(f->kernel, "an old kernel");
	assert_string_equal(f->result.ramdisk, "");
	spec.args = NULL;
	spec.kernel = "/boot/vmlinuz.old";
	run_spec(f, &spec);
	assert_string_equal(f->kernel, "an old kernel");
	spec.kernel = "/boot/none";
	run_spec(f, &spec);
	assert_non_null(strstr(f->why, "pygrub: "));
	spec.kernel = NULL;
	spec.image = f->image;
	run_spec(f, &spec);
	assert_non_null(strstr(f->why, "Unable to find partition containing kernel"));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (geteuid())
		return 0;
	strcpy(f->dir, "/tmp/vifrost-boot.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->image, sizeof(f->image), "%s/image", f->dir);
	write_file(f, "image", "IMAGE\n");
	assert_int_equal(loop_create(&f->loop), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];
	pid_t pid;

	if (!f)
		return 0;
	loop_destroy(f->loop);
	snprintf(command, sizeof(command), "%s", f->dir);
	pid = fork();
	if (!pid) {
		execl("/bin/rm", "rm", "-rf", command, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	free(f);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest pure[] = { cmocka_unit_test(answers),
					   cmocka_unit_test(long_answers) };
	const struct CMUnitTest as_root[] = { TEST(apart),	   TEST(ends_badly),
					      TEST(given_up),	   TEST(not_started),
					      TEST(other_formats), TEST(pygrub) };
	int failed = cmocka_run_group_tests_name("boot_parse", pure, NULL, NULL);

	if (geteuid()) {
		puts("needs root for the rest");
		return failed;
	}
	return failed + cmocka_run_group_tests_name("boot", as_root, NULL, NULL);
}
