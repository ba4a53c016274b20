#include "base/trace_context.hpp"

#include <gtest/gtest.h>

#include <string>

namespace evermill::tracing::tests {
namespace {

constexpr const char* example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, IsReadAndWrittenAsTheStandardHasIt) {
  const auto context = parse_traceparent(example);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_high, 0x4bf92f3577b34da6u);
  EXPECT_EQ(context->trace_low, 0xa3ce929d0e0e4736u);
  EXPECT_EQ(context->span, 0x00f067aa0ba902b7u);
  EXPECT_TRUE(context->sampled());
  EXPECT_EQ(to_traceparent(*context), example);
  EXPECT_EQ(trace_id_text(*context), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span_id_text(context->span), "00f067aa0ba902b7");
}

TEST(TraceContext, OfALaterVersionIsReadAsFarAsItIsKnown) {
  const auto context = parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-what-comes-then");
  ASSERT_TRUE(context);
  EXPECT_EQ(to_traceparent(*context), example);
}

TEST(TraceContext, IsNothingWhereTheTextIsNone) {
  for (const std::string text :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"}) {
    EXPECT_FALSE(parse_traceparent(text)) << text;
  }
}

TEST(TraceState, IsPassedOnWhereItCanBeAHeader) {
  EXPECT_TRUE(is_tracestate("vendor=1,other=a b"));
  EXPECT_TRUE(is_tracestate(""));
  EXPECT_FALSE(is_tracestate("a=1\r\nX: 2"));
  EXPECT_FALSE(is_tracestate("a=\xc3\xa4"));
  EXPECT_FALSE(is_tracestate(std::string(513, 'a')));
}

TEST(SpanId, IsTheSameForTheSameAndAnotherForAnother) {
  EXPECT_EQ(span_id_of("run", "attempt", 1, 2, 3), span_id_of("run", "attempt", 1, 2, 3));
  EXPECT_NE(span_id_of("run", "attempt", 1, 2, 3), span_id_of("run", "attempt", 1, 3, 2));
  EXPECT_NE(span_id_of("run", "turn", 1), span_id_of("run", "attempt", 1));
  EXPECT_NE(span_id_of("run", "run"), span_id_of("other", "run"));
}

}  // namespace
}  // namespace evermill::tracing::tests
