#!/usr/bin/python3
"""As much of grpcurl (https://github.com/fullstorydev/grpcurl), which Debian 12 does not have, as the documentation uses: a call by what the
server says of itself (reflection), without any file of ours.

    grpcurl.py -plaintext -d JSON HOST:PORT SERVICE/METHOD
"""
import argparse

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

LIMIT = 60
REFLECTION = "grpc.reflection.v1alpha"


def reflection_messages():
    """The part of reflection.proto that is needed here."""
    file = descriptor_pb2.FileDescriptorProto(name="reflection.proto", package=REFLECTION, syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    request = file.message_type.add(name="ServerReflectionRequest")
    request.field.add(name="file_by_filename", number=3, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    request.field.add(name="file_containing_symbol", number=4, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    files = file.message_type.add(name="FileDescriptorResponse")
    files.field.add(name="file_descriptor_proto", number=1, type=field.TYPE_BYTES, label=field.LABEL_REPEATED)
    response = file.message_type.add(name="ServerReflectionResponse")
    response.field.add(name="file_descriptor_response", number=4, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL,
                       type_name=f".{REFLECTION}.FileDescriptorResponse")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"{REFLECTION}.{name}"))
            for name in ("ServerReflectionRequest", "ServerReflectionResponse")]


def describe(channel, service):
    """A pool with all that the service needs."""
    request_type, response_type = reflection_messages()
    ask = channel.stream_stream(f"/{REFLECTION}.ServerReflection/ServerReflectionInfo",
                                request_serializer=request_type.SerializeToString, response_deserializer=response_type.FromString)

    def files(**what):
        (answer,) = ask(iter([request_type(**what)]), timeout=LIMIT)
        return [descriptor_pb2.FileDescriptorProto.FromString(each) for each in answer.file_descriptor_response.file_descriptor_proto]

    pool, known = descriptor_pool.DescriptorPool(), set()

    def add(file):
        if file.name in known:
            return
        known.add(file.name)
        for name in file.dependency:
            for each in files(file_by_filename=name) if name not in known else []:
                add(each)
        pool.Add(file)

    for each in files(file_containing_symbol=service):
        add(each)
    return pool


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("method")
    options = parser.parse_args()
    service, name = options.method.split("/")
    with grpc.insecure_channel(options.address) as channel:
        pool = describe(channel, service)
        method = pool.FindServiceByName(service).methods_by_name[name]
        factory = message_factory.MessageFactory(pool)
        request = json_format.Parse(options.data, factory.GetPrototype(method.input_type)())
        call = channel.unary_unary(f"/{service}/{name}", request_serializer=type(request).SerializeToString,
                                   response_deserializer=factory.GetPrototype(method.output_type).FromString)
        print(json_format.MessageToJson(call(request, timeout=LIMIT), descriptor_pool=pool))


if __name__ == "__main__":
    main()
