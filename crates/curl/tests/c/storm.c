/*
 * Handles that are added, removed, paused, reset, used again, moved between two multis and cleaned up in any order, with
 * callbacks that fail: nothing is lost, nothing crashes, and in the end nothing is left. One multi is performed, the other one
 * tells its sockets.
 *
 * storm URL TRANSFERS SEED [SOCKET]: by way of this Unix socket, if it is named
 */
#include <poll.h>

#include "check.h"

/* younger than the header that this is compiled with */
__attribute__((weak)) CURLMcode curl_multi_get_offt(CURLM *multi, int info, curl_off_t *value);
/* CURLMINFO_XFERS_CURRENT */
#define CURRENT 1

#define MOST 32
#define FDS 4096

struct one {
  CURL *easy;
  int added, fails, left;
};

/* What a handle's callbacks do. */
enum { FINE, WRITE_FAILS, WRITE_PAUSES, HEADER_FAILS, PROGRESS_FAILS, READ_FAILS, READ_PAUSES, KINDS };

static struct one all[MOST];
static CURLM *multis[2];
static const char *url, *path;
static unsigned long state;
static short told[FDS];
static int highest;

static unsigned chance(unsigned below)
{
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  return (unsigned)(state >> 33) % below;
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
  struct one *one = to;
  (void)data;
  if(one->fails == WRITE_FAILS)
    return 0;
  if(one->fails == WRITE_PAUSES) {
    one->fails = FINE;
    return CURL_WRITEFUNC_PAUSE;
  }
  return size * count;
}

static size_t heads(char *data, size_t size, size_t count, void *to)
{
  struct one *one = to;
  (void)data;
  return one->fails == HEADER_FAILS ? 0 : size * count;
}

static int progress(void *to, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
  struct one *one = to;
  (void)total;
  (void)now;
  (void)up_total;
  (void)up;
  return one->fails == PROGRESS_FAILS;
}

static size_t give(char *data, size_t size, size_t count, void *to)
{
  struct one *one = to;
  size_t bytes = size * count;
  if(one->fails == READ_FAILS)
    return CURL_READFUNC_ABORT;
  if(one->fails == READ_PAUSES) {
    one->fails = FINE;
    return CURL_READFUNC_PAUSE;
  }
  if(bytes > (size_t)one->left)
    bytes = (size_t)one->left;
  memset(data, 'x', bytes);
  one->left -= (int)bytes;
  return bytes;
}

static int rewinds(void *to, curl_off_t offset, int origin)
{
  struct one *one = to;
  (void)origin;
  one->left = 3000 - (int)offset;
  return CURL_SEEKFUNC_OK;
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *data, void *own)
{
  (void)easy;
  (void)data;
  (void)own;
  CHECK(fd >= 0 && fd < FDS);
  if(what == CURL_POLL_REMOVE)
    CHECK(told[fd]);
  told[fd] = what == CURL_POLL_REMOVE ? 0 : (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
  if(fd >= highest)
    highest = fd + 1;
  return 0;
}

static void set_up(struct one *one)
{
  if(!one->easy)
    one->easy = curl_easy_init();
  one->fails = chance(3) ? FINE : (int)chance(KINDS);
  one->left = 3000;
  curl_easy_setopt(one->easy, CURLOPT_URL, chance(50) ? url : "http://");
  curl_easy_setopt(one->easy, CURLOPT_UNIX_SOCKET_PATH, path);
  curl_easy_setopt(one->easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(one->easy, CURLOPT_WRITEDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_HEADERFUNCTION, heads);
  curl_easy_setopt(one->easy, CURLOPT_HEADERDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_XFERINFOFUNCTION, progress);
  curl_easy_setopt(one->easy, CURLOPT_XFERINFODATA, one);
  curl_easy_setopt(one->easy, CURLOPT_NOPROGRESS, (long)(one->fails != PROGRESS_FAILS));
  curl_easy_setopt(one->easy, CURLOPT_READFUNCTION, give);
  curl_easy_setopt(one->easy, CURLOPT_READDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_SEEKFUNCTION, rewinds);
  curl_easy_setopt(one->easy, CURLOPT_SEEKDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_UPLOAD, (long)(one->fails >= READ_FAILS || !chance(8)));
  curl_easy_setopt(one->easy, CURLOPT_FORBID_REUSE, (long)!chance(50));
  curl_easy_setopt(one->easy, CURLOPT_COOKIEFILE, chance(4) ? NULL : "");
}

static void take_out(struct one *one)
{
  EQUAL(curl_multi_remove_handle(multis[one->added - 1], one->easy), CURLM_OK);
  one->added = 0;
}

/* A duplicate in the place of a handle that may have been reset. */
static void duplicate(struct one *one)
{
  CURL *twin = curl_easy_duphandle(one->easy);
  CHECK(twin != NULL);
  if(chance(2))
    curl_easy_reset(one->easy);
  curl_easy_cleanup(one->easy);
  one->easy = twin;
}

static int step(struct one *one)
{
  switch(chance(12)) {
  case 0:
    if(one->added && !chance(4))
      take_out(one);
    return 0;
  case 1:
    if(one->easy && !chance(4)) {
      curl_easy_cleanup(one->easy);
      memset(one, 0, sizeof(*one));
    }
    return 0;
  case 2:
    if(one->added)
      curl_easy_pause(one->easy, chance(2) ? CURLPAUSE_ALL : CURLPAUSE_CONT);
    return 0;
  case 3:
    if(one->easy && !one->added)
      duplicate(one);
    return 0;
  case 4:
    if(one->added && !chance(8)) {
      /* in mid-transfer: what was set counts for the next one */
      curl_easy_reset(one->easy);
      take_out(one);
    }
    return 0;
  case 5:
    if(!one->added && !chance(4)) {
      set_up(one);
      if(one->fails == WRITE_PAUSES || one->fails == READ_PAUSES)
        one->fails = FINE;
      curl_easy_perform(one->easy);
      return 1;
    }
    return 0;
  default:
    if(!one->added) {
      set_up(one);
      one->added = 1 + (int)chance(2);
      EQUAL(curl_multi_add_handle(multis[one->added - 1], one->easy), CURLM_OK);
    }
    return 0;
  }
}

/* Tells the second multi what is ready. */
static void act(void)
{
  static struct pollfd fds[FDS];
  int at, count = 0, running;
  for(at = 0; at < highest; at++)
    if(told[at]) {
      fds[count].fd = at;
      fds[count].revents = 0;
      fds[count++].events = told[at];
    }
  poll(fds, (nfds_t)count, 0);
  for(at = 0; at < count; at++)
    if(fds[at].revents)
      EQUAL(curl_multi_socket_action(multis[1], fds[at].fd,
                                     (fds[at].revents & POLLIN ? CURL_CSELECT_IN : 0) |
                                         (fds[at].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                                         (fds[at].revents & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0),
                                     &running),
            CURLM_OK);
  EQUAL(curl_multi_socket_action(multis[1], CURL_SOCKET_TIMEOUT, 0, &running), CURLM_OK);
}

static int is_expected(const struct one *one, CURLcode code)
{
  switch(code) {
  case CURLE_OK:
  case CURLE_URL_MALFORMAT:
    return 1;
  case CURLE_WRITE_ERROR:
    return one->fails == WRITE_FAILS || one->fails == HEADER_FAILS;
  case CURLE_ABORTED_BY_CALLBACK:
    return one->fails == PROGRESS_FAILS || one->fails == READ_FAILS;
  default:
    return 0;
  }
}

/* What is over in a multi. Says how much. */
static int collect(CURLM *multi, int *ok)
{
  CURLMsg *message;
  int left, at, done = 0;
  while((message = curl_multi_info_read(multi, &left))) {
    CURLcode code = message->data.result;
    CURL *easy = message->easy_handle;
    for(at = 0; at < MOST && all[at].easy != easy; at++)
      ;
    CHECK(at < MOST && all[at].added);
    CHECK(message->msg == CURLMSG_DONE);
    if(at == MOST)
      continue;
    if(!is_expected(&all[at], code)) {
      printf("result %d, where callbacks do %d\n", (int)code, all[at].fails);
      failures++;
    }
    *ok += code == CURLE_OK;
    done++;
    if(chance(3))
      take_out(&all[at]);
    else {
      curl_easy_cleanup(easy);
      memset(&all[at], 0, sizeof(all[at]));
    }
  }
  return done;
}

static void end(void)
{
  curl_off_t count = -1;
  int at;
  for(at = 0; at < MOST; at++) {
    if(all[at].added && chance(2))
      take_out(&all[at]);
    curl_easy_cleanup(all[at].easy);
  }
  for(at = 0; at < 2; at++) {
    if(curl_multi_get_offt)
      EQUAL(curl_multi_get_offt(multis[at], CURRENT, &count), CURLM_OK);
    EQUAL(count, curl_multi_get_offt ? 0 : -1);
    EQUAL(curl_multi_cleanup(multis[at]), CURLM_OK);
  }
  for(at = 0; at < FDS; at++)
    EQUAL(told[at], 0);
}

int main(int argc, char **args)
{
  int wanted, done = 0, ok = 0, running = 0, at;
  if(argc < 4)
    return 2;
  url = args[1];
  wanted = atoi(args[2]);
  state = strtoul(args[3], NULL, 10);
  path = argc > 4 ? args[4] : NULL;
  curl_global_init(CURL_GLOBAL_ALL);
  multis[0] = curl_multi_init();
  multis[1] = curl_multi_init();
  EQUAL(curl_multi_setopt(multis[1], CURLMOPT_SOCKETFUNCTION, watch), CURLM_OK);
  while(done < wanted) {
    for(at = 0; at < 8; at++)
      done += step(&all[chance(MOST)]);
    EQUAL(curl_multi_perform(multis[0], &running), CURLM_OK);
    act();
    done += collect(multis[0], &ok) + collect(multis[1], &ok);
    /* whatever was paused goes on now and then */
    for(at = 0; at < MOST; at++)
      if(all[at].added && !chance(3))
        curl_easy_pause(all[at].easy, CURLPAUSE_CONT);
    curl_multi_poll(multis[0], NULL, 0, chance(20) ? 0 : 1, NULL);
  }
  CHECK(ok > wanted / 5);
  end();
  curl_global_cleanup();
  printf("%d failures, %d done, %d ok\n", failures, done, ok);
  return failures != 0;
}
