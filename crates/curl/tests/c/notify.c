/*
 * What a multi tells of by itself: messages that are there to be read, handles that are done.
 *
 * notify URL
 */
#include "check.h"

/* younger than the header that this is compiled with */
__attribute__((weak)) CURLMcode curl_multi_notify_enable(CURLM *multi, unsigned int what);
__attribute__((weak)) CURLMcode curl_multi_notify_disable(CURLM *multi, unsigned int what);
#define NOTIFYFUNCTION ((CURLMoption)20018)
#define NOTIFYDATA ((CURLMoption)10019)
enum { INFO_READ, EASY_DONE };

#define MOST 5

static CURL *all[2 * MOST];
static int messages, done, reads, added;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static CURL *handle(CURLM *multi, const char *url)
{
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
  all[added++] = easy;
  return easy;
}

/* Reads what there is, and adds another handle for each that is done. */
static void tell(CURLM *multi, unsigned int what, CURL *easy, void *data)
{
  const char *url = data;
  CURLMsg *message;
  int left, running;
  EQUAL(curl_multi_perform(multi, &running), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_multi_cleanup(multi), CURLM_RECURSIVE_API_CALL);
  if(what == EASY_DONE) {
    CHECK(easy != NULL);
    done++;
    if(added < 2 * MOST)
      handle(multi, url);
    return;
  }
  EQUAL(what, INFO_READ);
  reads++;
  while((message = curl_multi_info_read(multi, &left))) {
    EQUAL(message->data.result, CURLE_OK);
    messages++;
  }
}

int main(int argc, char **argv)
{
  CURLM *multi = curl_multi_init();
  int running = 1, at;
  if(argc != 2)
    return 2;
  EQUAL(curl_multi_setopt(multi, NOTIFYFUNCTION, tell), CURLM_OK);
  EQUAL(curl_multi_setopt(multi, NOTIFYDATA, argv[1]), CURLM_OK);
  EQUAL(curl_multi_notify_enable(multi, INFO_READ), CURLM_OK);
  EQUAL(curl_multi_notify_enable(multi, EASY_DONE), CURLM_OK);
  EQUAL(curl_multi_notify_enable(multi, 2), CURLM_UNKNOWN_OPTION);
  EQUAL(curl_multi_notify_enable(NULL, EASY_DONE), CURLM_BAD_HANDLE);
  for(at = 0; at < MOST; at++)
    handle(multi, argv[1]);
  while(messages < 2 * MOST && running >= 0) {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(messages < 2 * MOST)
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  }
  EQUAL(done, 2 * MOST);
  CHECK(reads > 0 && reads <= messages);
  /* what is told of no more, and what is told while it is not asked for */
  EQUAL(curl_multi_notify_disable(multi, EASY_DONE), CURLM_OK);
  EQUAL(curl_multi_remove_handle(multi, all[0]), CURLM_OK);
  EQUAL(curl_multi_add_handle(multi, all[0]), CURLM_OK);
  do {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(running)
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  } while(running);
  EQUAL(done, 2 * MOST);
  EQUAL(messages, 2 * MOST + 1);
  for(at = 0; at < added; at++)
    curl_easy_cleanup(all[at]);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  printf("%d failures\n", failures);
  return failures != 0;
}
