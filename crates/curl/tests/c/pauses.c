/*
 * Pausing: what a write callback did not take comes again, and nothing is lost, whoever pauses and resumes, and wherever.
 *
 * pauses URL UPLOAD_URL
 */
#include "check.h"

struct body {
  CURL *easy;
  size_t bytes;
  unsigned long sum;
  int refused, calls, paused_by_call;
};

static void take(struct body *body, const char *data, size_t length)
{
  size_t at;
  for(at = 0; at < length; at++)
    body->sum = body->sum * 31 + (unsigned char)data[at];
  body->bytes += length;
}

static size_t plain(char *data, size_t size, size_t count, void *to)
{
  take(to, data, size * count);
  CHECK(size * count <= CURL_MAX_WRITE_SIZE);
  return size * count;
}

/* refuses each second portion, once */
static size_t refuses(char *data, size_t size, size_t count, void *to)
{
  struct body *body = to;
  if(++body->calls % 2 == 0) {
    body->refused++;
    return CURL_WRITEFUNC_PAUSE;
  }
  return plain(data, size, count, to);
}

/* takes what there is, and pauses by a call */
static size_t pauses(char *data, size_t size, size_t count, void *to)
{
  struct body *body = to;
  if(++body->calls % 3 == 0) {
    EQUAL(curl_easy_pause(body->easy, CURLPAUSE_RECV), CURLE_OK);
    body->paused_by_call++;
  }
  return plain(data, size, count, to);
}

static size_t fails(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)size;
  (void)to;
  return count / 2 + 7;
}

/* resumes whatever is paused, whenever it is asked */
static int resumes(void *to, curl_off_t total, curl_off_t have, curl_off_t up_total, curl_off_t up)
{
  struct body *body = to;
  (void)total;
  (void)have;
  (void)up_total;
  (void)up;
  if(body->refused || body->paused_by_call)
    curl_easy_pause(body->easy, CURLPAUSE_CONT);
  return 0;
}

static int stops(void *to, curl_off_t total, curl_off_t have, curl_off_t up_total, curl_off_t up)
{
  (void)to;
  (void)total;
  (void)up_total;
  (void)up;
  return have > 20000;
}

static struct body fetch(const char *url, size_t (*write)(char *, size_t, size_t, void *), int (*progress)(void *, curl_off_t, curl_off_t, curl_off_t, curl_off_t), CURLcode want)
{
  struct body body = { curl_easy_init(), 0, 0, 0, 0, 0 };
  curl_easy_setopt(body.easy, CURLOPT_URL, url);
  curl_easy_setopt(body.easy, CURLOPT_WRITEFUNCTION, write);
  curl_easy_setopt(body.easy, CURLOPT_WRITEDATA, &body);
  if(progress) {
    curl_easy_setopt(body.easy, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(body.easy, CURLOPT_XFERINFODATA, &body);
    curl_easy_setopt(body.easy, CURLOPT_NOPROGRESS, 0L);
  }
  curl_easy_setopt(body.easy, CURLOPT_TIMEOUT, 20L);
  EQUAL(curl_easy_perform(body.easy), want);
  curl_easy_cleanup(body.easy);
  return body;
}

/* paused and resumed from outside, in a multi */
static struct body from_outside(const char *url)
{
  struct body body = { curl_easy_init(), 0, 0, 0, 0, 0 };
  CURLM *multi = curl_multi_init();
  int running = 1, seen = 0;
  curl_easy_setopt(body.easy, CURLOPT_URL, url);
  curl_easy_setopt(body.easy, CURLOPT_WRITEFUNCTION, refuses);
  curl_easy_setopt(body.easy, CURLOPT_WRITEDATA, &body);
  EQUAL(curl_multi_add_handle(multi, body.easy), CURLM_OK);
  while(running) {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(body.refused > seen) {
      size_t before = body.bytes;
      seen = body.refused;
      /* nothing comes while it is paused */
      EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
      EQUAL(running, 1);
      EQUAL(body.bytes, before);
      EQUAL(curl_easy_pause(body.easy, CURLPAUSE_CONT), CURLE_OK);
      CHECK(body.bytes > before);
    }
    else
      curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  EQUAL(curl_multi_remove_handle(multi, body.easy), CURLM_OK);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  curl_easy_cleanup(body.easy);
  return body;
}

/* pauses itself with its first portion, and stays so */
static size_t pauses_itself(char *data, size_t size, size_t count, void *to)
{
  struct body *body = to;
  if(++body->calls == 1) {
    EQUAL(curl_easy_pause(body->easy, CURLPAUSE_RECV), CURLE_OK);
    body->paused_by_call++;
  }
  return plain(data, size, count, to);
}

struct pair {
  struct body own, *other;
};

/* resumes another handle, once that is paused */
static size_t resumes_another(char *data, size_t size, size_t count, void *to)
{
  struct pair *pair = to;
  if(pair->other->paused_by_call && pair->own.calls < 2)
    pair->own.calls = 2;
  if(pair->own.calls == 2) {
    EQUAL(curl_easy_pause(pair->other->easy, CURLPAUSE_CONT), CURLE_OK);
    pair->own.calls = 3;
  }
  return plain(data, size, count, &pair->own);
}

/* one is paused, and resumed from within a callback of the other's */
static void by_another(const char *url, struct body *want)
{
  struct body body = { curl_easy_init(), 0, 0, 0, 0, 0 };
  struct pair pair = { { curl_easy_init(), 0, 0, 0, 0, 0 }, &body };
  CURLM *multi = curl_multi_init();
  int running = 1;
  curl_easy_setopt(body.easy, CURLOPT_URL, url);
  curl_easy_setopt(body.easy, CURLOPT_WRITEFUNCTION, pauses_itself);
  curl_easy_setopt(body.easy, CURLOPT_WRITEDATA, &body);
  EQUAL(curl_multi_add_handle(multi, body.easy), CURLM_OK);
  while(running && !body.paused_by_call) {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    curl_multi_poll(multi, NULL, 0, 100, NULL);
  }
  curl_easy_setopt(pair.own.easy, CURLOPT_URL, url);
  curl_easy_setopt(pair.own.easy, CURLOPT_WRITEFUNCTION, resumes_another);
  curl_easy_setopt(pair.own.easy, CURLOPT_WRITEDATA, &pair);
  EQUAL(curl_multi_add_handle(multi, pair.own.easy), CURLM_OK);
  running = 1;
  while(running && !failures) {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(running)
      curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  EQUAL(pair.own.calls, 3);
  CHECK(body.bytes == want->bytes && body.sum == want->sum);
  CHECK(pair.own.bytes == want->bytes && pair.own.sum == want->sum);
  EQUAL(curl_multi_remove_handle(multi, body.easy), CURLM_OK);
  EQUAL(curl_multi_remove_handle(multi, pair.own.easy), CURLM_OK);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  curl_easy_cleanup(body.easy);
  curl_easy_cleanup(pair.own.easy);
}

struct upload {
  CURL *easy;
  int calls;
};

static size_t gives(char *data, size_t size, size_t count, void *from)
{
  struct upload *upload = from;
  (void)size;
  (void)count;
  switch(++upload->calls) {
  case 1:
    return CURL_READFUNC_PAUSE;
  case 2:
    memcpy(data, "twelve bytes", 12);
    return 12;
  default:
    return 0;
  }
}

static int goes_on(void *from, curl_off_t total, curl_off_t have, curl_off_t up_total, curl_off_t up)
{
  struct upload *upload = from;
  (void)total;
  (void)have;
  (void)up_total;
  (void)up;
  if(upload->calls == 1)
    curl_easy_pause(upload->easy, CURLPAUSE_CONT);
  return 0;
}

static size_t gives_up(char *data, size_t size, size_t count, void *from)
{
  (void)data;
  (void)size;
  (void)count;
  (void)from;
  return CURL_READFUNC_ABORT;
}

static void uploads(const char *url)
{
  struct upload upload = { curl_easy_init(), 0 };
  struct body body = { NULL, 0, 0, 0, 0, 0 };
  curl_easy_setopt(upload.easy, CURLOPT_URL, url);
  curl_easy_setopt(upload.easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(upload.easy, CURLOPT_INFILESIZE, 12L);
  curl_easy_setopt(upload.easy, CURLOPT_READFUNCTION, gives);
  curl_easy_setopt(upload.easy, CURLOPT_READDATA, &upload);
  curl_easy_setopt(upload.easy, CURLOPT_WRITEFUNCTION, plain);
  curl_easy_setopt(upload.easy, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(upload.easy, CURLOPT_XFERINFOFUNCTION, goes_on);
  curl_easy_setopt(upload.easy, CURLOPT_XFERINFODATA, &upload);
  curl_easy_setopt(upload.easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(upload.easy, CURLOPT_TIMEOUT, 20L);
  EQUAL(curl_easy_perform(upload.easy), CURLE_OK);
  CHECK(upload.calls >= 2);
  curl_easy_setopt(upload.easy, CURLOPT_READFUNCTION, gives_up);
  EQUAL(curl_easy_perform(upload.easy), CURLE_ABORTED_BY_CALLBACK);
  curl_easy_cleanup(upload.easy);
}

int main(int count, char **args)
{
  struct body whole, one;
  if(count != 3)
    return 2;
  whole = fetch(args[1], plain, NULL, CURLE_OK);
  CHECK(whole.bytes > 100000);
  one = fetch(args[1], refuses, resumes, CURLE_OK);
  CHECK(one.refused && one.bytes == whole.bytes && one.sum == whole.sum);
  one = fetch(args[1], pauses, resumes, CURLE_OK);
  CHECK(one.paused_by_call && one.bytes == whole.bytes && one.sum == whole.sum);
  one = from_outside(args[1]);
  CHECK(one.refused && one.bytes == whole.bytes && one.sum == whole.sum);
  by_another(args[1], &whole);
  fetch(args[1], fails, NULL, CURLE_WRITE_ERROR);
  fetch(args[1], plain, stops, CURLE_ABORTED_BY_CALLBACK);
  uploads(args[2]);
  printf("%d failures\n", failures);
  return failures != 0;
}
