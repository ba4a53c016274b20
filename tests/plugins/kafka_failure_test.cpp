#include <gtest/gtest.h>
TEST(KafkaFailure, Placeholder) {}
