/*
 * Handles that are added, removed, paused, reset, used again and cleaned up in any order, with callbacks that fail: nothing is
 * lost, nothing crashes, and in the end nothing is left.
 *
 * storm URL TRANSFERS SEED
 */
#include "check.h"

#define MOST 32

struct one {
  CURL *easy;
  int added, paused, fails;
};

static unsigned long state;

static unsigned chance(unsigned below)
{
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  return (unsigned)(state >> 33) % below;
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
  struct one *one = to;
  (void)data;
  if(one->fails == 1)
    return 0;
  if(one->fails == 2) {
    one->fails = 0;
    one->paused = 1;
    return CURL_WRITEFUNC_PAUSE;
  }
  return size * count;
}

static int heads(char *data, size_t size, size_t count, void *to)
{
  struct one *one = to;
  (void)data;
  return one->fails == 3 ? 0 : (int)(size * count);
}

static void set_up(struct one *one, const char *url)
{
  if(!one->easy)
    one->easy = curl_easy_init();
  one->paused = 0;
  one->fails = chance(4) ? 0 : (int)chance(4);
  curl_easy_setopt(one->easy, CURLOPT_URL, chance(20) ? url : "http://");
  curl_easy_setopt(one->easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(one->easy, CURLOPT_WRITEDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_HEADERFUNCTION, heads);
  curl_easy_setopt(one->easy, CURLOPT_HEADERDATA, one);
  curl_easy_setopt(one->easy, CURLOPT_FORBID_REUSE, (long)!chance(50));
}

static void step(CURLM *multi, struct one *one, const char *url)
{
  switch(chance(10)) {
  case 0:
    if(one->easy && one->added && !chance(4)) {
      EQUAL(curl_multi_remove_handle(multi, one->easy), CURLM_OK);
      one->added = 0;
    }
    break;
  case 1:
    if(one->easy && !chance(4)) {
      curl_easy_cleanup(one->easy);
      memset(one, 0, sizeof(*one));
    }
    break;
  case 2:
    if(one->easy && one->added)
      curl_easy_pause(one->easy, chance(2) ? CURLPAUSE_ALL : CURLPAUSE_CONT);
    break;
  case 3:
    if(one->easy && !one->added) {
      CURL *twin = curl_easy_duphandle(one->easy);
      if(chance(2))
        curl_easy_reset(one->easy);
      CHECK(twin != NULL);
      curl_easy_cleanup(one->easy);
      one->easy = twin;
    }
    break;
  default:
    if(!one->added) {
      set_up(one, url);
      EQUAL(curl_multi_add_handle(multi, one->easy), CURLM_OK);
      one->added = 1;
    }
  }
}

int main(int argc, char **args)
{
  static struct one all[MOST];
  CURLM *multi;
  CURLMsg *message;
  int wanted, done = 0, ok = 0, running = 0, left, at;
  if(argc != 4)
    return 2;
  wanted = atoi(args[2]);
  state = strtoul(args[3], NULL, 10);
  multi = curl_multi_init();
  while(done < wanted) {
    for(at = 0; at < 8; at++)
      step(multi, &all[chance(MOST)], args[1]);
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    while((message = curl_multi_info_read(multi, &left))) {
      for(at = 0; at < MOST && all[at].easy != message->easy_handle; at++)
        ;
      CHECK(at < MOST && all[at].added);
      CHECK(message->msg == CURLMSG_DONE);
      switch(message->data.result) {
      case CURLE_OK:
        ok++;
        break;
      case CURLE_WRITE_ERROR:
        CHECK(all[at].fails == 1 || all[at].fails == 3);
        break;
      case CURLE_URL_MALFORMAT:
        break;
      default:
        printf("result %d\n", (int)message->data.result);
        failures++;
      }
      done++;
      if(chance(3)) {
        EQUAL(curl_multi_remove_handle(multi, message->easy_handle), CURLM_OK);
        all[at].added = 0;
      }
      else {
        curl_easy_cleanup(message->easy_handle);
        memset(&all[at], 0, sizeof(all[at]));
      }
    }
    /* whatever was paused goes on now and then */
    for(at = 0; at < MOST; at++)
      if(all[at].easy && all[at].added && !chance(3))
        curl_easy_pause(all[at].easy, CURLPAUSE_CONT);
    curl_multi_poll(multi, NULL, 0, 1, NULL);
  }
  CHECK(ok > wanted / 4);
  for(at = 0; at < MOST; at++)
    if(all[at].easy && chance(2))
      curl_easy_cleanup(all[at].easy);
    else if(all[at].easy && all[at].added)
      curl_multi_remove_handle(multi, all[at].easy), curl_easy_cleanup(all[at].easy);
    else
      curl_easy_cleanup(all[at].easy);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  printf("%d failures, %d done, %d ok\n", failures, done, ok);
  return failures != 0;
}
