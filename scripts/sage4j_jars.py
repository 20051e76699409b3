"""Which Java and which jars the scripts beside it start."""
import glob
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def options(parser):
    """Adds --java and --jars."""
    parser.add_argument("--java", default="java")
    parser.add_argument("--jars", default=os.path.join(ROOT, "target"))


def class_path(parser, arguments):
    """The jars of sage4j and of what it needs; ends the script if there are none."""
    jars = [jar for part in ("sage4j-*.jar", "lib/*.jar") for jar in sorted(glob.glob(os.path.join(arguments.jars, part)))]
    if not jars:
        parser.error(f"no sage4j-*.jar in {arguments.jars}: run mvn package, or say --jars FOLDER")
    return os.pathsep.join(jars)
