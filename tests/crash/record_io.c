/* Recording file layer: preloaded into a process, it writes down every change to files below a directory.
 *
 * RECORD_DIR names the directory, RECORD_LOG the log. An entry of the log, integers big-endian:
 *
 *     op 1 byte    'w' write, 's' write through a descriptor with O_DSYNC or O_SYNC, 'f' flush, 'r' rename
 *     path         2 bytes of length, then the path below RECORD_DIR (empty: the directory itself)
 *     offset       8 bytes (0 for a flush and a rename)
 *     data         4 bytes of length, then what was written; of a rename the new path
 *
 * What the process writes through a mapping is not seen: LMDB without MDB_WRITEMAP writes nothing so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int log_fd = -1;
static char directory[PATH_MAX];
static size_t directory_length;

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwritev = dlsym(RTLD_NEXT, "pwritev");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    if (getenv("RECORD_DIR") && getenv("RECORD_LOG") && realpath(getenv("RECORD_DIR"), directory)) {
        directory_length = strlen(directory);
        log_fd = open(getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static void put(const void *data, size_t size) {
    if (real_write(log_fd, data, size) != (ssize_t)size) abort();
}

static void put_number(uint64_t number, int size) {
    unsigned char bytes[8];
    for (int i = 0; i < size; i++) bytes[i] = number >> (8 * (size - 1 - i));
    put(bytes, size);
}

/* The path below the directory, or NULL. */
static const char *below(const char *path) {
    if (strncmp(path, directory, directory_length)) return NULL;
    path += directory_length;
    if (*path == '/') return path + 1;
    return *path ? NULL : path;
}

static const char *recorded(int fd, char path[PATH_MAX]) {
    char link[64];
    if (log_fd < 0 || fd == log_fd) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return below(path);
}

static void put_head(char op, const char *path, uint64_t offset, size_t size) {
    put(&op, 1);
    put_number(strlen(path), 2);
    put(path, strlen(path));
    put_number(offset, 8);
    put_number(size, 4);
}

static char write_op(int fd) {
    return fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC) ? 's' : 'w';
}

static void record_vector(int fd, const struct iovec *parts, int count, off_t offset, ssize_t written) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (!name || written < 0) return;
    put_head(write_op(fd), name, offset, written);
    for (int i = 0; i < count && written > 0; i++) {
        size_t size = parts[i].iov_len < (size_t)written ? parts[i].iov_len : (size_t)written;
        put(parts[i].iov_base, size);
        written -= size;
    }
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    ssize_t written = real_pwrite(fd, data, size, offset);
    struct iovec part = {(void *)data, size};
    record_vector(fd, &part, 1, offset, written);
    return written;
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t written = real_write(fd, data, size);
    struct iovec part = {(void *)data, size};
    if (written > 0) record_vector(fd, &part, 1, lseek(fd, 0, SEEK_CUR) - written, written);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t written = real_writev(fd, parts, count);
    if (written > 0) record_vector(fd, parts, count, lseek(fd, 0, SEEK_CUR) - written, written);
    return written;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    ssize_t written = real_pwritev(fd, parts, count, offset);
    record_vector(fd, parts, count, offset, written);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(fd, parts, count, offset);
}

static void record_flush(int fd) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (name) put_head('f', name, 0, 0);
}

int fsync(int fd) {
    int result = real_fsync(fd);
    if (!result) record_flush(fd);
    return result;
}

int fdatasync(int fd) {
    int result = real_fdatasync(fd);
    if (!result) record_flush(fd);
    return result;
}

int rename(const char *from, const char *to) {
    int result = real_rename(from, to);
    if (!result && log_fd >= 0 && below(from) && below(to)) {
        put_head('r', below(from), 0, strlen(below(to)));
        put(below(to), strlen(below(to)));
    }
    return result;
}
