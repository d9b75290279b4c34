/* Reads the payload and decompresses it into a stream, in pieces: whatever the size, this needs no more memory than the
   decoder's window and a few buffers, which fit into a processor's second cache. (To restore tables takes twice the
   largest one in addition: restore.c.)

   A separate thread reads and decodes ahead of the thread that writes files, as both tasks take about as long. The two
   share only the slots; the reason for the end is read after the end. If no thread can be created, each piece is
   decoded when it is requested. */
#include "launcher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    INPUT_SIZE = 1 << 18,
    SLOT_SIZE = 1 << 18,
    SLOTS = 4,
    WINDOW_LOG = 27, /* as zstd's level 22 uses: 128 MB at most */
    STACK_SIZE = 1 << 18,
};

struct slot {
    uint8_t *data;
    size_t size;
};

struct reader {
    const struct app *app;
    char *why;

    /* Used by the decoding side. */
    ZSTD_DCtx *decoder;
    uint8_t *input;
    ZSTD_inBuffer in;
    uint64_t read, yielded; /* bytes of the payload, and of the stream */
    bool framed;            /* the end of a frame was reached */
    char problem[WHY_ROOM]; /* other than damage */

    /* Used by the taking side: the position in the current slot. */
    size_t at;

    /* Used by both, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot slots[SLOTS];
    size_t filled, taken; /* counts of slots since the beginning */
    bool over, stopped;   /* the stream has ended; the taker wants no more */

    pthread_t thread;
    bool threaded;
};

/* Reads some of the payload. Returns 0 at its end, or after an error, which sets reader->problem. */
static size_t read_payload(struct reader *reader, uint8_t *to, size_t room)
{
    uint64_t left = reader->app->payload_size - reader->read;
    size_t want = left < room ? (size_t)left : room;

    while (want > 0) {
        ssize_t count = pread(reader->app->fd, to, want, (off_t)(reader->app->payload_offset + reader->read));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            refuse(reader->problem, "cannot read the executable: %s", count < 0 ? strerror(errno) : "it became shorter");
            return 0;
        }
        reader->read += (uint64_t)count;
        return (size_t)count;
    }
    return 0;
}

/* Decodes a piece of the stream, and returns its size; 0 at the end and after an error. */
static size_t decode(struct reader *reader, uint8_t *to)
{
    if (!reader->app->compressed)
        return read_payload(reader, to, SLOT_SIZE);
    for (;;) {
        if (reader->in.pos == reader->in.size) {
            reader->in.pos = 0;
            reader->in.size = read_payload(reader, reader->input, INPUT_SIZE);
            if (reader->problem[0])
                return 0;
        }
        size_t had = reader->in.size - reader->in.pos;
        if (had == 0 && reader->framed)
            return 0; /* the payload ends behind a frame */
        /* Even without input the decoder may have output left. Behind a frame it begins the next one. */
        ZSTD_outBuffer out = {to, SLOT_SIZE, 0};
        size_t rest = ZSTD_decompressStream(reader->decoder, &out, &reader->in);
        if (ZSTD_isError(rest)) {
            if (ZSTD_getErrorCode(rest) == ZSTD_error_memory_allocation)
                refuse(reader->problem, "%s", strerror(ENOMEM));
            return 0;
        }
        reader->framed = rest == 0;
        if (out.pos > 0)
            return out.pos;
        if (had == 0)
            return 0; /* the payload ends within a frame */
    }
}

/* Fills a slot. Returns false at the end. */
static bool fill(struct reader *reader, struct slot *slot)
{
    slot->size = decode(reader, slot->data);
    reader->yielded += slot->size;
    return slot->size > 0 && reader->yielded <= reader->app->stream_size;
}

static void *run(void *argument)
{
    struct reader *reader = argument;
    bool more = true;

    while (more) {
        pthread_mutex_lock(&reader->lock);
        while (reader->filled - reader->taken == SLOTS && !reader->stopped)
            pthread_cond_wait(&reader->changed, &reader->lock);
        more = !reader->stopped;
        struct slot *slot = &reader->slots[reader->filled % SLOTS];
        pthread_mutex_unlock(&reader->lock);
        more = more && fill(reader, slot);
        pthread_mutex_lock(&reader->lock);
        reader->filled += more;
        reader->over = !more;
        pthread_cond_signal(&reader->changed);
        pthread_mutex_unlock(&reader->lock);
    }
    return NULL;
}

static bool start(struct reader *reader)
{
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool started = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
        pthread_create(&reader->thread, &attributes, run, reader) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

struct reader *reader_open(const struct app *app, char why[WHY_ROOM])
{
    struct reader *reader = calloc(1, sizeof *reader);
    bool whole = reader != NULL;

    if (reader) {
        reader->app = app;
        reader->why = why;
        for (size_t index = 0; index < SLOTS; index++)
            whole = (reader->slots[index].data = malloc(SLOT_SIZE)) != NULL && whole;
        if (app->compressed) {
            reader->in.src = reader->input = malloc(INPUT_SIZE);
            reader->decoder = ZSTD_createDCtx();
            whole = whole && reader->input && reader->decoder &&
                !ZSTD_isError(ZSTD_DCtx_setParameter(reader->decoder, ZSTD_d_windowLogMax, WINDOW_LOG));
        }
        (void)pthread_mutex_init(&reader->lock, NULL);
        (void)pthread_cond_init(&reader->changed, NULL);
    }
    if (!whole) {
        refuse(why, "%s", strerror(ENOMEM));
        reader_close(reader);
        return NULL;
    }
    reader->threaded = start(reader);
    return reader;
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    if (reader->threaded) {
        pthread_mutex_lock(&reader->lock);
        reader->stopped = true;
        pthread_cond_signal(&reader->changed);
        pthread_mutex_unlock(&reader->lock);
        (void)pthread_join(reader->thread, NULL);
    }
    (void)pthread_cond_destroy(&reader->changed);
    (void)pthread_mutex_destroy(&reader->lock);
    for (size_t index = 0; index < SLOTS; index++)
        free(reader->slots[index].data);
    ZSTD_freeDCtx(reader->decoder);
    free(reader->input);
    free(reader);
}

/* Releases the used slot and waits for the next one. Returns false if there is none. */
static bool next(struct reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    if (reader->at > 0) {
        reader->at = 0;
        reader->taken++;
        pthread_cond_signal(&reader->changed);
    }
    if (reader->threaded)
        while (reader->filled == reader->taken && !reader->over)
            pthread_cond_wait(&reader->changed, &reader->lock);
    else if (reader->filled == reader->taken && !reader->over) {
        reader->over = !fill(reader, &reader->slots[reader->filled % SLOTS]);
        reader->filled += !reader->over;
    }
    bool more = reader->filled != reader->taken;
    pthread_mutex_unlock(&reader->lock);
    if (!more)
        memcpy(reader->why, reader->problem, sizeof reader->problem);
    return more;
}

const uint8_t *reader_take(struct reader *reader, uint64_t most, size_t *count)
{
    struct slot *slot = &reader->slots[reader->taken % SLOTS];

    if (reader->at == 0 || reader->at == slot->size) {
        if (!next(reader))
            return NULL;
        slot = &reader->slots[reader->taken % SLOTS];
    }
    size_t ready = slot->size - reader->at;
    *count = most < ready ? (size_t)most : ready;
    reader->at += *count;
    return slot->data + reader->at - *count;
}

bool reader_take_all(struct reader *reader, void *to, size_t size)
{
    for (uint8_t *at = to; size > 0;) {
        size_t count;
        const uint8_t *from = reader_take(reader, size, &count);
        if (!from)
            return false;
        memcpy(at, from, count);
        at += count;
        size -= count;
    }
    return true;
}

bool reader_at_end(struct reader *reader)
{
    size_t more;

    return !reader_take(reader, 1, &more) && !reader->why[0] && reader->yielded == reader->app->stream_size &&
        reader->read == reader->app->payload_size && reader->in.pos == reader->in.size &&
        reader->framed == reader->app->compressed;
}
