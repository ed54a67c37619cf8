pip install torch==2.14.1 torchvision==0.29.1 fvcore iopath av parameterized networkx \
    "opencv-python<5"
git clone --no-checkout https://github.com/facebookresearch/pytorchvideo && cd pytorchvideo
git checkout f3142bb05cdb56af0704ab6f0adfb0c7bbafe4a0 -- pytorchvideo
PYTHONPATH=$PWD python "$EXAMPLES/recipes/pytorchvideo_ava.py" "$RELEASE"
