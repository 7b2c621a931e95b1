/* Records what a process asks of the disk, in the order in which it asked.
 *
 * Preloaded (LD_PRELOAD). Files and directories below HEADWATER_TRACE_ROOT are watched; with
 * HEADWATER_TRACE_SOCKETS set, what is written to sockets too. Each record goes to the file
 * HEADWATER_TRACE names: four u32 (kind, descriptor, flags, length of the data), one u64 (offset or size),
 * then the data. One lock is held over the real call and its record, so that the order recorded is the
 * order in which it happened. Signals wait while it is held: a handler writes to a socket too (Python's wakes its
 * event loop so), and would wait for the lock that its own thread holds. Failed calls are not recorded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, ALLOCATE, SYNC, UNLINK, RENAME, SEND };
enum { FDS_MAX = 65536, SENT_MAX = 16384 };
enum { CREATED = 1, DIRECTORY = 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char watched[FDS_MAX];
static int trace = -1;
static int sockets;
static const char *broken;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(type, name, ...)                                     \
    static type (*real)(__VA_ARGS__);                             \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HEADWATER_TRACE");
    const char *below = getenv("HEADWATER_TRACE_ROOT");
    REAL(int, "open", const char *, int, ...);
    if (!path || !below) return;
    broken = getenv("HEADWATER_BREAK_SYNC");
    root_length = strlen(below);
    if (root_length >= sizeof root) return;
    memcpy(root, below, root_length + 1);
    sockets = getenv("HEADWATER_TRACE_SOCKETS") != NULL;
    trace = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static sigset_t hold(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&lock);
    return before;
}

static void release(sigset_t before) {
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void record(uint32_t kind, int fd, uint32_t flags, uint64_t offset, const void *data, size_t length) {
    struct { uint32_t kind, fd, flags, length; uint64_t offset; } head = {
        kind, (uint32_t)fd, flags, (uint32_t)length, offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    int saved = errno;
    if (real(trace, parts, 2) != (ssize_t)(sizeof head + length)) abort();
    errno = saved;
}

static int is_below(const char *path) {
    return trace >= 0 && strncmp(path, root, root_length) == 0;
}

static int is_watched(int fd) {
    return trace >= 0 && fd >= 0 && fd < FDS_MAX && watched[fd];
}

static int is_socket(int fd) {
    struct stat about;
    int saved = errno;
    int yes = trace >= 0 && sockets && fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
    errno = saved;
    return yes;
}

static int opened(int fd, const char *path, int existed) {
    struct stat about;
    if (fd < 0 || fd >= FDS_MAX) return fd;
    watched[fd] = (unsigned char)is_below(path);
    if (!watched[fd]) return fd;
    int saved = errno;
    uint32_t flags = existed ? 0 : CREATED;
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) flags |= DIRECTORY;
    record(OPEN, fd, flags, 0, path, strlen(path));
    errno = saved;
    return fd;
}

#define OPENS(name)                                                              \
    int name(const char *path, int flags, ...) {                                 \
        REAL(int, #name, const char *, int, ...);                                \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                            \
        if (!is_below(path)) {                                                   \
            int fd = real(path, flags, mode);                                    \
            if (fd >= 0 && fd < FDS_MAX) watched[fd] = 0;                        \
            return fd;                                                           \
        }                                                                        \
        sigset_t before = hold();                                                \
        int existed = access(path, F_OK) == 0;                                   \
        int fd = opened(real(path, flags, mode), path, existed);                 \
        release(before);                                                         \
        return fd;                                                               \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                           \
    int name(int at, const char *path, int flags, ...) {                         \
        REAL(int, #name, int, const char *, int, ...);                           \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                            \
        sigset_t before = hold();                                                \
        int existed = access(path, F_OK) == 0;                                   \
        int fd = opened(real(at, path, flags, mode), path, existed);             \
        release(before);                                                         \
        return fd;                                                               \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

#define PWRITES(name, offset_type)                                                    \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {       \
        REAL(ssize_t, #name, int, const void *, size_t, offset_type);                 \
        if (!is_watched(fd)) return real(fd, data, length, offset);                   \
        sigset_t before = hold();                                                     \
        ssize_t done = real(fd, data, length, offset);                                \
        if (done > 0) record(WRITE, fd, 0, (uint64_t)offset, data, (size_t)done);     \
        release(before);                                                              \
        return done;                                                                  \
    }
PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

static void sent(int fd, const void *data, ssize_t done) {
    if (done > 0) record(SEND, fd, 0, (uint64_t)done, data, done < SENT_MAX ? (size_t)done : SENT_MAX);
}

ssize_t write(int fd, const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int socket = is_socket(fd);
    if (!socket && !is_watched(fd)) return real(fd, data, length);
    sigset_t before = hold();
    off_t offset = socket ? 0 : lseek(fd, 0, SEEK_CUR);
    /* What is sent is recorded before it leaves: nobody may have it earlier than the record says. */
    if (socket) sent(fd, data, (ssize_t)length);
    ssize_t done = real(fd, data, length);
    if (!socket && done > 0) record(WRITE, fd, 0, (uint64_t)offset, data, (size_t)done);
    release(before);
    return done;
}

static size_t joined(char *into, const struct iovec *parts, size_t count) {
    size_t length = 0;
    for (size_t at = 0; at < count && length < SENT_MAX; at++) {
        size_t room = SENT_MAX - length;
        size_t piece = parts[at].iov_len < room ? parts[at].iov_len : room;
        memcpy(into + length, parts[at].iov_base, piece);
        length += piece;
    }
    return length;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (is_watched(fd)) abort(); /* nothing that is watched writes so; it would go unrecorded */
    if (!is_socket(fd)) return real(fd, parts, count);
    char data[SENT_MAX];
    sigset_t before = hold();
    sent(fd, data, (ssize_t)joined(data, parts, (size_t)count));
    ssize_t done = real(fd, parts, count);
    release(before);
    return done;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    if (!is_socket(fd)) return real(fd, message, flags);
    char data[SENT_MAX];
    sigset_t before = hold();
    sent(fd, data, (ssize_t)joined(data, message->msg_iov, message->msg_iovlen));
    ssize_t done = real(fd, message, flags);
    release(before);
    return done;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    if (!is_socket(fd)) return real(fd, data, length, flags);
    sigset_t before = hold();
    sent(fd, data, (ssize_t)length);
    ssize_t done = real(fd, data, length, flags);
    release(before);
    return done;
}

#define TRUNCATES(name, size_type)                                   \
    int name(int fd, size_type size) {                               \
        REAL(int, #name, int, size_type);                            \
        if (!is_watched(fd)) return real(fd, size);                  \
        sigset_t before = hold();                                    \
        int failed = real(fd, size);                                 \
        if (!failed) record(TRUNCATE, fd, 0, (uint64_t)size, "", 0); \
        release(before);                                             \
        return failed;                                               \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

#define ALLOCATES(name, size_type)                                                \
    int name(int fd, size_type offset, size_type size) {                          \
        REAL(int, #name, int, size_type, size_type);                              \
        if (!is_watched(fd)) return real(fd, offset, size);                       \
        sigset_t before = hold();                                                 \
        int failed = real(fd, offset, size);                                      \
        if (!failed) record(ALLOCATE, fd, 0, (uint64_t)(offset + size), "", 0);   \
        release(before);                                                          \
        return failed;                                                            \
    }
ALLOCATES(posix_fallocate, off_t)
ALLOCATES(posix_fallocate64, off64_t)

#define SYNCS(name)                                        \
    int name(int fd) {                                     \
        REAL(int, #name, int);                             \
        if (!is_watched(fd)) return real(fd);              \
        if (broken && access(broken, F_OK) == 0) {         \
            errno = EIO;                                   \
            return -1;                                     \
        }                                                  \
        sigset_t before = hold();                          \
        int failed = real(fd);                             \
        if (!failed) record(SYNC, fd, 0, 0, "", 0);        \
        release(before);                                   \
        return failed;                                     \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (!is_below(path)) return real(path);
    sigset_t before = hold();
    int failed = real(path);
    if (!failed) record(UNLINK, -1, 0, 0, path, strlen(path));
    release(before);
    return failed;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (is_below(from) || is_below(to)) abort(); /* nothing that is watched is renamed; it would go unrecorded */
    return real(from, to);
}
