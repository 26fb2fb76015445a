/*
 * Frames of websockets, on a connection that the program has to itself and by its callbacks.
 *
 * websocket MODE URL CA: the server sends back what it gets, and does what some texts ask for
 */
#include <poll.h>

#include "check.h"

/* younger than the library that this is linked with */
__attribute__((weak)) CURLcode curl_ws_start_frame(CURL *easy, unsigned int flags, curl_off_t length);

static char heard[200000];
static size_t length;

/* Everything of the frame that comes next, which is received in pieces of so many bytes. */
static CURLcode hear(CURL *easy, size_t most, int *flags)
{
  struct curl_ws_frame *meta = NULL;
  curl_socket_t fd = CURL_SOCKET_BAD;
  size_t bytes = 0;
  CURLcode code = CURLE_OK;
  length = 0;
  curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
  do {
    struct pollfd wait = {fd, POLLIN, 0};
    code = curl_ws_recv(easy, heard + length, most, &bytes, &meta);
    if(code == CURLE_AGAIN) {
      CHECK(poll(&wait, 1, 10000) == 1);
      continue;
    }
    if(code)
      return code;
    CHECK(meta != NULL);
    EQUAL(meta->age, 0);
    EQUAL(meta->offset, length);
    EQUAL(meta->len, bytes);
    *flags = meta->flags;
    length += bytes;
  } while(code == CURLE_AGAIN || meta->bytesleft);
  heard[length] = 0;
  return code;
}

static void say(CURL *easy, const char *text, unsigned int flags)
{
  size_t sent = 0;
  EQUAL(curl_ws_send(easy, text, strlen(text), &sent, 0, flags), CURLE_OK);
  EQUAL(sent, strlen(text));
}

#define HEARD(most, want, what)                                         \
  do {                                                                  \
    int flags_ = 0;                                                     \
    EQUAL(hear(easy, most, &flags_), CURLE_OK);                         \
    EQUAL(flags_, want);                                                \
    if(strcmp(heard, what)) {                                           \
      printf("%s:%d: heard '%s', not '%s'\n", __FILE__, __LINE__, heard, what); \
      failures++;                                                       \
    }                                                                   \
  } while(0)

static CURL *handle(char **argv)
{
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, argv[2]);
  if(*argv[3])
    curl_easy_setopt(easy, CURLOPT_CAINFO, argv[3]);
  return easy;
}

static void alone(CURL *easy)
{
  static char big[70000], back[70000];
  size_t sent = 0, at;
  long status = 0;
  int flags = 0;
  char *scheme = NULL;
  for(at = 0; at < sizeof(big); at++)
    big[at] = (char)(at * 7 % 251);
  EQUAL(curl_ws_send(easy, "x", 1, &sent, 0, CURLWS_TEXT), CURLE_SEND_ERROR);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 2L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 20L);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
  EQUAL(status, 101);
  CHECK(scheme && (!strcmp(scheme, "ws") || !strcmp(scheme, "wss")));
  CHECK(curl_ws_meta(easy) == NULL);
  EQUAL(curl_ws_recv(easy, back, sizeof(back), &sent, NULL), CURLE_AGAIN);

  say(easy, "Hello", CURLWS_TEXT);
  HEARD(100, CURLWS_TEXT, "Hello");
  say(easy, "Hello in pieces", CURLWS_TEXT);
  HEARD(4, CURLWS_TEXT, "Hello in pieces");
  say(easy, "", CURLWS_BINARY);
  HEARD(4, CURLWS_BINARY, "");
  /* fragments of ours are one message there, with a ping between */
  say(easy, "a", CURLWS_TEXT | CURLWS_CONT);
  say(easy, "?", CURLWS_PING);
  say(easy, "b", CURLWS_TEXT | CURLWS_CONT);
  say(easy, "c", CURLWS_TEXT);
  HEARD(100, CURLWS_PONG, "?");
  HEARD(100, CURLWS_TEXT, "abc");
  /* the server's, and a ping of its own, which is answered without a word */
  say(easy, "fragments", CURLWS_TEXT);
  HEARD(100, CURLWS_TEXT | CURLWS_CONT, "one ");
  HEARD(100, CURLWS_TEXT | CURLWS_CONT, "two ");
  HEARD(100, CURLWS_PONG, "unasked");
  HEARD(100, CURLWS_TEXT, "");
  HEARD(100, CURLWS_TEXT, "pong of between");
  /* a frame that is sent as it comes to be */
  EQUAL(curl_ws_send(easy, big, 10000, &sent, sizeof(big), CURLWS_BINARY | CURLWS_OFFSET), CURLE_OK);
  EQUAL(curl_ws_send(easy, big, 1, &sent, 0, CURLWS_TEXT), CURLE_SEND_ERROR);
  for(at = 10000; at < sizeof(big); at += sent) {
    size_t next = sizeof(big) - at < 5000 ? sizeof(big) - at : 5000;
    CURLcode code = curl_ws_send(easy, big + at, next, &sent, 0, CURLWS_BINARY | CURLWS_OFFSET);
    CHECK(code == CURLE_OK || code == CURLE_AGAIN);
  }
  EQUAL(hear(easy, 1000, &flags), CURLE_OK);
  EQUAL(flags, CURLWS_BINARY);
  EQUAL(length, sizeof(big));
  CHECK(!memcmp(big, heard, sizeof(big)));
  /* what no frame can be */
  EQUAL(curl_ws_send(easy, big, 126, &sent, 0, CURLWS_PING), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_ws_send(easy, "x", 1, &sent, 0, CURLWS_CONT), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_ws_send(easy, "x", 1, &sent, 0, CURLWS_CLOSE | CURLWS_CONT), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_ws_send(easy, "x", 1, &sent, 0, 1 << 9), CURLE_SEND_ERROR);
  EQUAL(sent, 0);
  EQUAL(curl_ws_send(easy, NULL, 1, &sent, 0, CURLWS_TEXT), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_ws_recv(easy, NULL, 1, &sent, NULL), CURLE_BAD_FUNCTION_ARGUMENT);

  say(easy, "close", CURLWS_TEXT);
  HEARD(100, CURLWS_CLOSE, "\x03\xe8" "bye");
  EQUAL(curl_ws_send(easy, "\x03\xe8", 2, &sent, 0, CURLWS_CLOSE), CURLE_OK);
  EQUAL(hear(easy, 100, &flags), CURLE_GOT_NOTHING);
}

/* What the callbacks of a transfer see of it. */
struct seen {
  CURL *easy;
  int pauses, frames;
  char text[500];
};

static size_t told(char *data, size_t size, size_t number, void *to)
{
  struct seen *seen = to;
  struct curl_ws_frame *meta = curl_ws_meta(seen->easy);
  size_t bytes = size * number;
  CHECK(meta != NULL);
  if(!meta)
    return bytes;
  EQUAL(meta->len, bytes);
  if(seen->frames++ == 1 && !seen->pauses++) {
    seen->frames--;
    return CURL_WRITEFUNC_PAUSE;
  }
  if(meta->flags & CURLWS_CLOSE) {
    strcat(seen->text, "close");
    say(seen->easy, "", CURLWS_CLOSE);
  }
  else
    strncat(seen->text, data, bytes);
  strcat(seen->text, "|");
  if(seen->frames == 1)
    say(seen->easy, "fragments", CURLWS_TEXT);
  if(!meta->bytesleft && bytes > 4 && !memcmp(data, "pong", 4))
    say(seen->easy, "close", CURLWS_TEXT);
  return bytes;
}

/* Runs until all is done; what is paused goes on. */
static CURLcode run(struct seen *seen)
{
  CURLM *multi = curl_multi_init();
  CURLMsg *message;
  int running = 1, left, spoke = 0;
  CURLcode code = CURLE_OBSOLETE20;
  curl_multi_add_handle(multi, seen->easy);
  while(running) {
    long status = 0;
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    curl_easy_getinfo(seen->easy, CURLINFO_RESPONSE_CODE, &status);
    if(status == 101 && !spoke++)
      say(seen->easy, "first", CURLWS_TEXT);
    if(seen->pauses == 1) {
      seen->pauses++;
      EQUAL(curl_easy_pause(seen->easy, CURLPAUSE_CONT), CURLE_OK);
    }
    curl_multi_poll(multi, NULL, 0, 100, NULL);
  }
  while((message = curl_multi_info_read(multi, &left)))
    code = message->data.result;
  curl_multi_remove_handle(multi, seen->easy);
  curl_multi_cleanup(multi);
  return code;
}

static void by_callbacks(CURL *easy)
{
  struct seen seen = {easy, 0, 0, ""};
  size_t bytes = 0;
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, told);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &seen);
  EQUAL(run(&seen), CURLE_OK);
  if(strcmp(seen.text, "first|one |two |unasked||pong of between|close|")) {
    printf("told '%s'\n", seen.text);
    failures++;
  }
  EQUAL(seen.pauses, 3);
  CHECK(curl_ws_meta(easy) == NULL);
  EQUAL(curl_ws_recv(easy, heard, 10, &bytes, NULL), CURLE_UNSUPPORTED_PROTOCOL);
  EQUAL(curl_ws_send(easy, "x", 1, &bytes, 0, CURLWS_TEXT), CURLE_SEND_ERROR);
}

static size_t bytes_as_they_come(char *data, size_t size, size_t number, void *to)
{
  struct seen *seen = to;
  CHECK(curl_ws_meta(seen->easy) == NULL);
  memcpy(heard + length, data, size * number);
  length += size * number;
  if(length == 5) {
    /* a close of no words, masked by nothing */
    size_t sent = 0;
    EQUAL(curl_ws_send(seen->easy, "\x88\x80\0\0\0\0", 6, &sent, 0, 0), CURLE_OK);
    EQUAL(sent, 6);
  }
  return size * number;
}

static size_t give_raw(char *data, size_t size, size_t number, void *to)
{
  struct seen *seen = to;
  (void)size;
  (void)number;
  if(seen->frames++)
    return 0;
  memcpy(data, "\x81\x83\0\0\0\0abc", 9);
  return 9;
}

static void raw(CURL *easy)
{
  struct seen seen = {easy, 0, 0, ""};
  curl_easy_setopt(easy, CURLOPT_WS_OPTIONS, (long)CURLWS_RAW_MODE);
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_raw);
  curl_easy_setopt(easy, CURLOPT_READDATA, &seen);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bytes_as_they_come);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &seen);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(length, 7);
  CHECK(!memcmp(heard, "\x81\x03" "abc" "\x88\x00", 7));
}

static size_t give_frames(char *data, size_t size, size_t number, void *to)
{
  struct seen *seen = to;
  CHECK(size * number >= 6);
  switch(seen->pauses++) {
  case 0:
    memcpy(data, "bytes", 5);
    return 5;
  case 1:
    EQUAL(curl_ws_start_frame(seen->easy, CURLWS_TEXT, 9), CURLE_OK);
    EQUAL(curl_ws_start_frame(seen->easy, CURLWS_TEXT, 1), CURLE_SEND_ERROR);
    memcpy(data, "text,", 5);
    return 5;
  case 2:
    memcpy(data, "text", 4);
    return 4;
  case 3:
    EQUAL(curl_ws_start_frame(seen->easy, CURLWS_CLOSE, 0), CURLE_OK);
  }
  return 0;
}

static size_t all(char *data, size_t size, size_t number, void *to)
{
  struct seen *seen = to;
  struct curl_ws_frame *meta = curl_ws_meta(seen->easy);
  char kind[2] = {0, 0};
  CHECK(meta != NULL);
  kind[0] = meta->flags == CURLWS_TEXT ? 't' : meta->flags == CURLWS_BINARY ? 'b' : 'c';
  strcat(seen->text, kind);
  strncat(seen->text, data, size * number);
  return size * number;
}

static void upload(CURL *easy)
{
  struct seen seen = {easy, 0, 0, ""};
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_frames);
  curl_easy_setopt(easy, CURLOPT_READDATA, &seen);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, all);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &seen);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  if(strcmp(seen.text, "bbytesttext,textc")) {
    printf("told '%s'\n", seen.text);
    failures++;
  }
}

static size_t none(char *data, size_t size, size_t number, void *to)
{
  (void)data;
  (void)to;
  return size * number;
}

static void refused(CURL *easy, CURLcode want)
{
  static char why[CURL_ERROR_SIZE];
  size_t bytes = 0;
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, none);
  EQUAL(curl_easy_perform(easy), want);
  CHECK(why[0]);
  if(want != CURLE_HTTP_RETURNED_ERROR)
    return;
  CHECK(strstr(why, "200"));
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 2L);
  EQUAL(curl_easy_perform(easy), want);
  EQUAL(curl_ws_recv(easy, heard, 10, &bytes, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
}

int main(int argc, char **argv)
{
  CURL *easy;
  if(argc != 4)
    return 2;
  easy = handle(argv);
  if(!strcmp(argv[1], "alone"))
    alone(easy);
  else if(!strcmp(argv[1], "told"))
    by_callbacks(easy);
  else if(!strcmp(argv[1], "raw"))
    raw(easy);
  else if(!strcmp(argv[1], "upload"))
    upload(easy);
  else
    refused(easy, strcmp(argv[1], "refused") ? CURLE_RECV_ERROR : CURLE_HTTP_RETURNED_ERROR);
  curl_easy_cleanup(easy);
  printf("%d failures\n", failures);
  return failures != 0;
}
